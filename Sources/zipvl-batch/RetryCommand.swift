import ArgumentParser
import Jobs

struct RetryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Put failed and cancelled jobs back into the queue.")

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
        let count = try await global.writeQueue().retry(filter.selection(ids))
        try ChangedJobs.report(count, "queued again", global)
    }
}
