import ArgumentParser
import Foundation
import Jobs
import Runner

struct EnqueueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enqueue", abstract: "Put questions about videos into the queue.",
        discussion: """
            A directory is searched with everything below it. A file that is no video becomes a failed \
            job of class `input` at once. What was asked before with the same settings is reused.

            A wrong line of a manifest is reported with its number and the others are queued; the exit \
            code is 3 then. A custom_id that stands in a manifest twice is wrong where it stands again. \
            Jobs are stored 5,000 at a time: the same command after an interruption goes on.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions
    @OptionGroup var options: EnqueueOptions

    @Flag(help: "Look at the videos and say what would be queued.")
    var dryRun = false

    func run() async throws {
        let call = try options.call(global)
        let totals = try await Enqueuing(
            global: global, isDryRun: dryRun, errors: options.errors
        ).run(call)
        if totals.badLines > 0 { throw ExitCode(CommandExit.failedJobs) }
    }
}
