/// Times as people write them: a number and its unit.
package enum DurationText {
    /// Reads `1500ms`, `90s`, `20m`, `2h`, `1.5h`, `90d` and `2w`; `nil` for anything else, a bare number included.
    package static func parse(_ text: String) -> Duration? {
        let unit = String(text.reversed().prefix { $0.isLetter }.reversed())
        let seconds: Double
        switch unit {
        case "ms": seconds = 0.001
        case "s": seconds = 1
        case "m", "min": seconds = 60
        case "h": seconds = 3600
        case "d": seconds = 86400
        case "w": seconds = 7 * 86400
        default: return nil
        }
        guard let count = Double(text.dropLast(unit.count)), count > 0, count * seconds <= 1e9
        else { return nil }
        return .milliseconds(Int64((count * seconds * 1000).rounded()))
    }
}
