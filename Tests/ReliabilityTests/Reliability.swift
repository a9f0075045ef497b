import Foundation
import Glibc
import Testing

/// Tests with real processes: workers that are killed, stopped, starved and cut off. One after the
/// other, as each loads the machine. README.md says what each shows, and how to see it fail.
@Suite(.serialized) enum Reliability {
    /// Whether the tests run to the bounds that they are meant for (`make soak`) rather than a form that
    /// takes seconds.
    static let isFull = ProcessInfo.processInfo.environment["ZIPVL_SOAK"] == "1"

    static func bound<T>(_ short: T, full: T) -> T { isFull ? full : short }

    /// Prints a line at once, should the test be broken off later.
    static func say(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        _ = write(1, bytes, bytes.count)
    }

    /// A test that cannot run here says so in the output.
    static func skip(_ test: String, _ reason: String) {
        say("skipped: \(test): \(reason)")
    }
}
