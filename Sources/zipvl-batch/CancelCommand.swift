import ArgumentParser
import Foundation
import Jobs

struct CancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Cancel jobs; running ones stop at their worker's next heartbeat.")

    @OptionGroup(title: "Global options") var global: GlobalOptions
    @OptionGroup var jobs: ChangedJobs

    func run() async throws {
        let count = try await global.writeQueue().cancel(jobs.selection)
        try ChangedJobs.report(count, "cancelled", global)
    }
}

extension GlobalOptions {
    /// Opens a queue that must be there, to change it.
    func writeQueue() throws -> SQLiteQueue {
        guard FileManager.default.fileExists(atPath: queuePath) else { return try readQueue() }
        return try openQueue()
    }
}
