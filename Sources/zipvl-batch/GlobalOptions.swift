import ArgumentParser
import Foundation
import Jobs

/// What every verb takes, before or after its name.
struct GlobalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The queue: a database file, sqlite://PATH, or postgresql://USER@HOST/DATABASE (default: ZIPVL_QUEUE, else zipvl.db).",
            valueName: "path|url"))
    var queue: String?

    @Flag(help: "Print one JSON object a line.")
    var json = false

    @Flag(help: "Print results and errors only.")
    var quiet = false

    @Flag(help: "Print more.")
    var verbose = false

    func validate() throws {
        if quiet && verbose { throw ValidationError("--quiet and --verbose exclude each other") }
        do { _ = try location } catch { throw ValidationError(error.message) }
    }

    /// As it was given, password included.
    var queueText: String {
        let environment = ProcessInfo.processInfo.environment["ZIPVL_QUEUE"] ?? ""
        return queue ?? (environment.isEmpty ? "zipvl.db" : environment)
    }

    var location: QueueLocation {
        get throws(QueueError) { try QueueLocation(queueText) }
    }

    /// The queue for messages, without a password.
    var queueTitle: String { (try? location.title) ?? "the queue" }

    /// Opens the queue, making it when it is missing.
    func openQueue() throws(QueueError) -> any QueueStore { try location.open() }

    /// Opens the queue to look at it; a missing one is an error.
    func readQueue() throws(QueueError) -> any QueueStore {
        try existing().open(readOnly: true)
    }

    /// Opens a queue that must be there, to change it.
    func writeQueue() throws(QueueError) -> any QueueStore { try existing().open() }

    private func existing() throws(QueueError) -> QueueLocation {
        let location = try location
        if case .sqlite(let path) = location, !FileManager.default.fileExists(atPath: path) {
            throw QueueError(
                .unavailable,
                "\(path): no such queue; `enqueue` makes it, --queue or ZIPVL_QUEUE names another")
        }
        return location
    }

    /// For people: says nothing with `--quiet` or `--json`.
    func say(_ text: @autoclosure () -> String) {
        if !quiet && !json { Terminal.print(text()) }
    }
}
