import ArgumentParser
import Jobs

struct HoldCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hold", abstract: "Keep queued jobs from being claimed, until `unhold`.")

    @OptionGroup(title: "Global options") var global: GlobalOptions
    @OptionGroup var jobs: ChangedJobs

    func run() async throws {
        let queue = try global.writeQueue()
        try ChangedJobs.report(
            try await queue.hold(jobs.selection(in: queue)), "held back", global)
    }
}

struct UnholdCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unhold", abstract: "Let held jobs be claimed again.")

    @OptionGroup(title: "Global options") var global: GlobalOptions
    @OptionGroup var jobs: ChangedJobs

    func run() async throws {
        let queue = try global.writeQueue()
        try ChangedJobs.report(
            try await queue.unhold(jobs.selection(in: queue)), "queued", global)
    }
}

struct PrioritizeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prioritize",
        abstract: "Set the priority of jobs that have not begun; higher ones go first.",
        discussion: "A negative priority stands after `--`: prioritize --batch slow -- -10")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Argument(help: ArgumentHelp("-1000 to 1000.", valueName: "n"))
    var priority: Int

    @OptionGroup var jobs: ChangedJobs

    func validate() throws {
        guard (-1000...1000).contains(priority) else {
            throw ValidationError("priority \(priority): expected -1000 to 1000")
        }
    }

    func run() async throws {
        let queue = try global.writeQueue()
        try ChangedJobs.report(
            try await queue.prioritize(jobs.selection(in: queue), priority: priority),
            "with priority \(priority)", global)
    }
}
