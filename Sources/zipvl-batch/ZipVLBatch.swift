import ArgumentParser
import Glibc
import Torch

/// The command line; one command a file.
struct ZipVLBatch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "zipvl-batch",
        abstract: "Answers questions about videos in batches, and records what each answer cost.",
        usage: "zipvl-batch [--queue PATH|URL] [--json] [--quiet|--verbose] VERB",
        discussion: """
            A night in three lines:
              zipvl-batch enqueue /data/videos --question "What happens?"
              zipvl-batch work --drain --until 06:00
              zipvl-batch results

            Exit codes:
              0   done
              1   internal error
              2   usage
              3   finished, some jobs failed
              4   nothing to do (--fail-if-empty)
              5   stopped with work left
              6   stopped by --halt
              69  back end, PyTorch or GPU unavailable
              74  input/output error, disk full
              75  database locked
              76  database corrupt
              78  configuration: model, schema too new, network filesystem
              130, 143  ended by a second signal
            """,
        version: Version.text,
        subcommands: [
            EnqueueCommand.self, WorkCommand.self, RunCommand.self, AskCommand.self,
            StatusCommand.self,
            ListCommand.self, ShowCommand.self, FollowCommand.self, LogsCommand.self,
            ResultsCommand.self, ExportCommand.self, ReportCommand.self, WaitCommand.self,
            RetryCommand.self,
            CancelCommand.self, HoldCommand.self, UnholdCommand.self, PrioritizeCommand.self,
            PauseCommand.self, ResumeCommand.self, RescueCommand.self, InitCommand.self,
            MigrateCommand.self, BackupCommand.self, PruneCommand.self, MoveCommand.self,
            MergeCommand.self,
            MetricsCommand.self, LaunchCommand.self, EvalCommand.self, NiahCommand.self,
            InspectCommand.self,
            MInferenceSearchCommand.self, DoctorCommand.self, DemoCommand.self,
            SamplerCommand.self,
        ])

    @OptionGroup(title: "Global options") var global: GlobalOptions
}

enum Version {
    static let text = "0.1.0"
}

@main
enum Main {
    static func main() async {
        OpenMPWaiting.restartIfLoaded()
        do {
            var command = try ZipVLBatch.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            CommandExit.end(with: error)
        }
    }
}
