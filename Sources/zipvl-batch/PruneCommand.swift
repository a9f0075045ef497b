import ArgumentParser
import Foundation
import Jobs

struct PruneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Delete jobs that ended long ago, with their answers.",
        discussion: """
            Jobs that are held, queued or running stay. The answers journals, which can bring lost \
            answers back, are emptied only after a backup that was verified: --backup.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Option(
        help: ArgumentHelp("Keep what ended within this time, such as 90d.", valueName: "time"))
    var keep: DurationArgument

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Only jobs that ended like this (default: succeeded failed cancelled).",
            valueName: "state"))
    var states: [JobState] = []

    @Option(help: "Only jobs of this batch.")
    var batch: String?

    @Option(
        help: ArgumentHelp(
            "Write a backup into this new file first, and empty the answers journals.",
            valueName: "file"))
    var backup: String?

    @Flag(help: "Say what would be deleted.")
    var dryRun = false

    func validate() throws {
        if let state = states.first(where: { [.held, .queued, .running].contains($0) }) {
            throw ValidationError(
                "--states \(state.rawValue): expected succeeded, failed or cancelled")
        }
        try OutputFile.check(backup, flag: "--backup")
        if let backup, FileManager.default.fileExists(atPath: backup) {
            throw ValidationError("--backup \(backup): is there already")
        }
        if dryRun, backup != nil {
            throw ValidationError("--backup has no effect with --dry-run; leave it out")
        }
    }

    func run() async throws {
        let queue = try global.writeQueue()
        if let backup {
            try await queue.backup(to: backup)
            global.say("\(backup): written and verified")
        }
        let seconds = keep.duration / Duration.seconds(1)
        var retention = Retention(before: Date(timeIntervalSinceNow: -seconds), batch: batch)
        if !states.isEmpty { retention.states = states }
        let report = try await queue.prune(retention, isDry: dryRun)
        // Answers that a backup has are kept nowhere else any more.
        if backup != nil { _ = try await global.replayJournals(into: queue) }
        if global.json { return try JSONLine.print(report) }
        let counts = [
            (report.jobs, "jobs"), (report.answers, "answers"), (report.attempts, "attempts"),
            (report.videos, "videos"), (report.batches, "batches"), (report.configs, "configs"),
            (report.workers, "workers"), (report.events, "events"),
        ].map { "\($0.0) \($0.1)" }.joined(separator: ", ")
        global.say((dryRun ? "would delete " : "deleted ") + counts)
    }
}
