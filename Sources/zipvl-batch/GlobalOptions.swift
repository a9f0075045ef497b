import ArgumentParser
import Foundation
import Jobs

/// What every verb takes, before or after its name.
struct GlobalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The queue's database file (default: ZIPVL_QUEUE, else zipvl.db).", valueName: "path"))
    var queue: String?

    @Flag(help: "Print one JSON object a line.")
    var json = false

    @Flag(help: "Print results and errors only.")
    var quiet = false

    @Flag(help: "Print more.")
    var verbose = false

    func validate() throws {
        if quiet && verbose { throw ValidationError("--quiet and --verbose exclude each other") }
        if let queue, queue.contains("://"), !queue.hasPrefix("sqlite://") {
            throw ValidationError("--queue \(queue): this version knows SQLite files only")
        }
    }

    var queuePath: String {
        let environment = ProcessInfo.processInfo.environment["ZIPVL_QUEUE"] ?? ""
        let path = queue ?? (environment.isEmpty ? "zipvl.db" : environment)
        return path.hasPrefix("sqlite://") ? String(path.dropFirst("sqlite://".count)) : path
    }

    /// Opens the queue, making it when it is missing.
    func openQueue() throws -> SQLiteQueue { try SQLiteQueue(path: queuePath) }

    /// Opens the queue to look at it; a missing one is an error.
    func readQueue() throws -> SQLiteQueue {
        guard FileManager.default.fileExists(atPath: queuePath) else {
            throw QueueError(
                .unavailable,
                "\(queuePath): no such queue; `enqueue` makes it, --queue or ZIPVL_QUEUE names another"
            )
        }
        return try SQLiteQueue(path: queuePath, readOnly: true)
    }

    /// For people: says nothing with `--quiet` or `--json`.
    func say(_ text: @autoclosure () -> String) {
        if !quiet && !json { print(text()) }
    }
}
