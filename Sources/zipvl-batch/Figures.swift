import Foundation
import Jobs

/// Numbers as people read them.
enum Figures {
    /// What was not spent, in percent; negative where choosing cost more than it saved. `nil` where
    /// there was nothing to spend.
    static func savedPercent(used: Double?, dense: Double?) -> Double? {
        guard let used, let dense, dense > 0 else { return nil }
        return 100 * (1 - used / dense)
    }

    static func ratio(_ value: Double?) -> String { value.map { decimal($0, 3) } ?? "-" }

    static func percent(_ value: Double?) -> String { value.map { "\(decimal($0, 1))%" } ?? "-" }

    /// "saved: attention 81.9%, whole model 40.1%, KV cache 57.9%; kept ratio 0.421"
    static func saved(_ answer: Answer) -> String {
        let kept = answer.keptTokenRatioMean.map { "; kept ratio \(ratio($0))" } ?? ""
        return "saved: attention \(percent(answer.attnFLOPsSavedPct)), whole model "
            + "\(percent(answer.llmFLOPsSavedPct)), KV cache \(percent(answer.kvCacheSavedPct))\(kept)"
    }

    static func milliseconds(_ value: Double?) -> String {
        guard let value else { return "-" }
        return value < 1000 ? "\(Int(value.rounded())) ms" : "\(decimal(value / 1000, 1)) s"
    }

    /// "4 s", "12 min", "3 h 20 min"
    static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds < 1e9 else { return "?" }
        let seconds = Int(seconds.rounded())
        if seconds < 90 { return "\(seconds) s" }
        let minutes = (seconds + 30) / 60
        return minutes < 90 ? "\(minutes) min" : "\(minutes / 60) h \(minutes % 60) min"
    }

    static func decimal(_ value: Double, _ places: Int) -> String {
        value.isFinite ? String(format: "%.\(places)f", value) : "-"
    }
}

extension Answer {
    var attnFLOPsSavedPct: Double? {
        Figures.savedPercent(used: attnFLOPsUsed, dense: attnFLOPsDense)
    }
    var llmFLOPsSavedPct: Double? {
        Figures.savedPercent(used: llmFLOPsUsed, dense: llmFLOPsDense)
    }
    var kvCacheSavedPct: Double? {
        Figures.savedPercent(used: Double(kvCacheBytesUsed), dense: Double(kvCacheBytesDense))
    }
}

extension ResultRow {
    func text(_ column: String) -> String {
        switch self[column] {
        case .text(let text): text
        case .integer(let number): "\(number)"
        case .real(let number): "\(number)"
        case .null, nil: ""
        }
    }

    func number(_ column: String) -> Double? {
        switch self[column] {
        case .integer(let number): Double(number)
        case .real(let number): number
        case .text, .null, nil: nil
        }
    }

    func decimal(_ column: String, _ places: Int) -> String {
        number(column).map { Figures.decimal($0, places) } ?? "-"
    }

    /// `nil` where nothing was expected.
    var isCorrect: Bool? { number("correct").map { $0 != 0 } }

    var videoName: String { URL(fileURLWithPath: text("video")).lastPathComponent }
}
