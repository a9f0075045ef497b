import Foundation

/// Numbers as a report prints them.
enum ReportFigures {
    static let none = "–"

    static func decimal(_ value: Double?, _ places: Int) -> String {
        guard let value, value.isFinite else { return none }
        let text = String(format: "%.\(places)f", abs(value))
        // No "-0.0".
        let isZero = text.allSatisfy { $0 == "0" || $0 == "." }
        return value < 0 && !isZero ? "−" + text : text
    }

    static func signed(_ value: Double?, _ places: Int) -> String {
        let text = decimal(value, places)
        guard let value, value > 0, text.contains(where: { $0 != "0" && $0 != "." }) else {
            return text
        }
        return "+" + text
    }

    static func percent(_ value: Double?) -> String {
        value == nil ? none : decimal(value, 1) + " %"
    }

    /// "12,345"
    static func count(_ value: Int) -> String {
        let digits = Array(String(value.magnitude))
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return (value < 0 ? "−" : "") + text
    }

    /// "1 answer", "2,000 answers"
    static func count(_ value: Int, _ noun: String) -> String {
        count(value) + " " + (value == 1 ? noun : noun + "s")
    }

    /// "1.25 PFLOP"
    static func flops(_ value: Double) -> String {
        scaled(
            value, 1000, ["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP", "ZFLOP"])
    }

    /// "3.50 GiB"
    static func bytes(_ value: Double) -> String {
        scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
    }

    static func mebibytes(_ value: Double?) -> String {
        value.map { bytes($0 * 0x1p20) } ?? none
    }

    private static func scaled(_ value: Double, _ base: Double, _ units: [String]) -> String {
        var (value, index) = (value, 0)
        while abs(value) >= base * 0.9995, index < units.count - 1 {
            value /= base
            index += 1
        }
        let places = index == 0 ? 0 : abs(value) < 10 ? 2 : abs(value) < 100 ? 1 : 0
        return decimal(value, places) + " " + units[index]
    }

    /// "850 ms", "12.4 s", "3 min 20 s", "2 h 05 min", "3 d 4 h"
    static func time(milliseconds: Double?) -> String {
        guard let milliseconds, milliseconds.isFinite else { return none }
        if milliseconds < 0 { return "−" + time(milliseconds: -milliseconds) }
        if milliseconds < 999.5 {
            return decimal(milliseconds, milliseconds < 10 ? 1 : 0) + " ms"
        }
        if milliseconds < 59_950 { return decimal(milliseconds / 1000, 1) + " s" }
        let seconds = Int(min(milliseconds / 1000, 1e12).rounded())
        if seconds < 3600 { return "\(seconds / 60) min \(seconds % 60) s" }
        let minutes = (seconds + 30) / 60
        if minutes < 48 * 60 {
            return "\(minutes / 60) h \(minutes % 60 < 10 ? "0" : "")\(minutes % 60) min"
        }
        return "\(minutes / 1440) d \(minutes % 1440 / 60) h"
    }

    /// "0.031", "< 0.0001"
    static func pValue(_ value: Double) -> String {
        value < 0.0001 ? "< 0.0001" : decimal(value, value < 0.1 ? 4 : 3)
    }

    /// For coordinates: no more than a hundredth of a pixel.
    static func pixels(_ value: Double) -> String {
        guard value.isFinite else { return "0" }
        let hundredths = (value * 100).rounded() / 100
        return hundredths == hundredths.rounded() && abs(hundredths) < 1e9
            ? "\(Int(hundredths))" : "\(hundredths)"
    }
}
