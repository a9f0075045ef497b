import ArgumentParser
import Jobs

struct CancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Cancel jobs; running ones stop at their worker's next heartbeat.")

    @OptionGroup(title: "Global options") var global: GlobalOptions
    @OptionGroup var jobs: ChangedJobs

    func run() async throws {
        let queue = try global.writeQueue()
        let count = try await queue.cancel(jobs.selection(in: queue))
        try ChangedJobs.report(count, "cancelled", global)
    }
}
