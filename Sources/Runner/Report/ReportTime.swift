import Foundation
import Jobs

/// Moments in a report: seconds since 1970, in words of UTC.
enum ReportTime {
    /// - Parameter text: ISO 8601 with a `Z`, as the queue gives it
    static func seconds(_ text: String) -> Double? {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: text.contains("."))
        return (try? style.parse(text))?.timeIntervalSince1970
    }

    /// "2026-03-01 22:00"
    static func day(_ seconds: Double) -> String {
        let text = iso(seconds)
        return text.prefix(10) + " " + text.dropFirst(11).prefix(5)
    }

    /// "22:00", with seconds "22:00:05"
    static func clock(_ seconds: Double, hasSeconds: Bool) -> String {
        String(iso(seconds).dropFirst(11).prefix(hasSeconds ? 8 : 5))
    }

    /// "03-01"
    static func date(_ seconds: Double) -> String { String(iso(seconds).dropFirst(5).prefix(5)) }

    static func iso(_ seconds: Double) -> String {
        Date(timeIntervalSince1970: seconds).formatted(Date.ISO8601FormatStyle())
    }
}

/// From the first to the last moment of some attempts.
struct TimeSpan {
    var start: Double
    var end: Double

    /// `nil` without attempts.
    init?(_ attempts: [AttemptRow], now: Date) {
        let spans = attempts.compactMap { TimeSpan($0, now: now) }
        guard let start = spans.map(\.start).min(), let end = spans.map(\.end).max() else {
            return nil
        }
        (self.start, self.end) = (start, end)
    }

    /// From when work on it began; an attempt without an end goes on until `now`.
    init?(_ attempt: AttemptRow, now: Date) {
        guard let start = ReportTime.seconds(attempt.begunAt ?? attempt.startedAt) else {
            return nil
        }
        self.start = start
        end = max(
            start, attempt.endedAt.flatMap(ReportTime.seconds) ?? now.timeIntervalSince1970)
    }
}
