import ArgumentParser
import Jobs
import Runner

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Enqueue and answer in one go: enqueue, then work --drain.",
        discussion: """
            The queue is worked off as a whole, what was in it before included. Interrupted, the same \
            command goes on. Exit codes are those of `work`; 3 stands for wrong lines, too.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions
    @OptionGroup var questions: EnqueueOptions
    @OptionGroup var limits: WorkOptions
    @OptionGroup var sampler: SamplerOptions
    @OptionGroup var device: DeviceOptions

    @Option(help: ArgumentHelp("Write a report of the batch.", valueName: "file.html"))
    var report: String?

    private var noCache: Bool { questions.analysis.parameters.run.noCache }

    func validate() throws {
        try sampler.check(noCache: noCache)
        if let report { try OutputFile.checkHTML(report, flag: "--report") }
    }

    func run() async throws {
        let call = try questions.call(global)
        let totals = try await Enqueuing(global: global, errors: questions.errors).run(call)
        var options = try limits.options(global)
        options.drain = true
        let queue = try global.writeQueue()
        let summary = try await Working(
            global: global, device: device, options: limits,
            cache: sampler.cache(isOff: noCache), decoding: sampler.decoding.choice,
            sharesVideos: !noCache
        ).run(queue, options)
        if let report {
            var command = try ReportCommand.parse(["--out", report])
            command.global = global
            command.batch = call.batch.name
            try await command.run()
        }
        let code = try await Working.exitCode(summary, queue)
        if code != 0 { throw ExitCode(code) }
        if totals.badLines > 0 { throw ExitCode(CommandExit.failedJobs) }
    }
}
