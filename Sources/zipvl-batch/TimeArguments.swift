import ArgumentParser
import Foundation
import Jobs

/// A length of time with its unit: `90s`, `20m`, `2h`.
struct DurationArgument: ExpressibleByArgument {
    let duration: Duration

    init?(argument: String) {
        guard let duration = DurationText.parse(argument) else { return nil }
        self.duration = duration
    }
}

/// A moment gone by: `12h` (so long ago), `HH:MM` (the last time the local clock showed it) or
/// ISO 8601 (`2026-01-31T22:00:00Z`).
struct PastTimeArgument: ExpressibleByArgument {
    let date: Date

    init?(argument: String) {
        self.init(argument: argument, now: Date())
    }

    init?(argument: String, now: Date) {
        if let length = DurationText.parse(argument) {
            date = now - length / Duration.seconds(1)
            return
        }
        guard let clock = TimeArgument(argument: argument, now: now)?.date else { return nil }
        guard clock > now, !argument.contains("-") else {
            date = clock
            return
        }
        let time = Calendar.current.dateComponents([.hour, .minute], from: clock)
        guard
            let last = Calendar.current.nextDate(
                after: now,
                matching: DateComponents(hour: time.hour, minute: time.minute, second: 0),
                matchingPolicy: .nextTime, direction: .backward)
        else { return nil }
        date = last
    }
}

/// A moment: `HH:MM` (the next time the local clock shows it) or ISO 8601 (`2026-01-31T22:00:00Z`).
struct TimeArgument: ExpressibleByArgument {
    let date: Date

    init?(argument: String) {
        self.init(argument: argument, now: Date())
    }

    init?(argument: String, now: Date) {
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 2, let hour = Int(parts[0]), let minute = Int(parts[1]),
            (0..<24).contains(hour), (0..<60).contains(minute),
            let next = Calendar.current.nextDate(
                after: now, matching: DateComponents(hour: hour, minute: minute, second: 0),
                matchingPolicy: .nextTime)
        {
            date = next
        } else if let moment = try? Date(argument, strategy: .iso8601) {
            date = moment
        } else {
            return nil
        }
    }
}
