import ArgumentParser
import Foundation
import Jobs

struct CancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Cancel jobs; running ones stop at their worker's next heartbeat.")

    @OptionGroup(title: "Global options") var global: GlobalOptions
    @OptionGroup var filter: FilterOptions

    @Argument(help: "Job ids and ranges, such as 7 or 12-40.")
    var ids: [IDRange] = []

    func validate() throws {
        if ids.isEmpty && filter.isEmpty {
            throw ValidationError("which jobs? Name ids, or filter with --batch, --state …")
        }
    }

    func run() async throws {
        let count = try await global.writeQueue().cancel(filter.selection(ids))
        try ChangedJobs.report(count, "cancelled", global)
    }
}

/// What the verbs that change jobs print.
enum ChangedJobs {
    private struct Line: Encodable { var changed: Int }

    static func report(_ count: Int, _ what: String, _ global: GlobalOptions) throws {
        if global.json { return try JSONLine.print(Line(changed: count)) }
        global.say("\(count) \(count == 1 ? "job" : "jobs") \(what)")
    }
}

extension GlobalOptions {
    /// Opens a queue that must be there, to change it.
    func writeQueue() throws -> SQLiteQueue {
        guard FileManager.default.fileExists(atPath: queuePath) else { return try readQueue() }
        return try openQueue()
    }
}
