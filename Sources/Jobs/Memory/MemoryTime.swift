import Foundation

enum MemoryTime {
    /// Unix milliseconds as ISO 8601 UTC with milliseconds.
    static func text(_ time: Int64) -> String {
        let (seconds, rest) = time.quotientAndRemainder(dividingBy: 1000)
        let date = Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
        let digits = String(1000 + rest).dropFirst()
        return "\(date.dropLast()).\(digits)Z"
    }
}
