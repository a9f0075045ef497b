import ArgumentParser
import Jobs

struct RetryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Put failed and cancelled jobs back into the queue.")

    @OptionGroup(title: "Global options") var global: GlobalOptions
    @OptionGroup var jobs: ChangedJobs

    func run() async throws {
        let queue = try global.writeQueue()
        let count = try await queue.retry(jobs.selection(in: queue))
        try ChangedJobs.report(count, "queued again", global)
    }
}
