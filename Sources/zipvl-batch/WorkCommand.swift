import ArgumentParser
import Foundation
import Glibc
import Jobs
import Runner
import VideoFrames

struct WorkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "work", abstract: "Claim and answer jobs until told otherwise.",
        discussion: """
            One process works on one device; any number of them share a queue. SIGTERM or SIGINT lets the \
            job in hand finish; a second one gives it back at once.

            --gpus starts this command once for each GPU, passes signals on, and marks each worker's \
            lines. A worker that dies of a signal or with exit code 1 or 69 is started again, after 1 s, \
            2 s and so on to 60 s, at most 5 times within 10 minutes; then that GPU is given up. The exit \
            code is the worst of all workers'.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions
    @OptionGroup var sampler: SamplerOptions
    @OptionGroup var device: DeviceOptions

    @Option(
        help: ArgumentHelp(
            "One worker process on each of these GPUs instead of one on --device.",
            valueName: "all|0,1,..."))
    var gpus: GPUList?

    @Flag(help: "End when nothing is left to do.")
    var drain = false

    @Option(help: ArgumentHelp("Claim nothing after this time.", valueName: "HH:MM"))
    var until: TimeArgument?

    @Option(
        help: ArgumentHelp(
            "End after this many jobs; with --gpus each worker after as many, counted anew when it was started again.",
            valueName: "n"))
    var maxJobs: Int?

    @Option(help: ArgumentHelp("Claim only jobs of this model.", valueName: "dir"))
    var model: String?

    @Option(
        help: ArgumentHelp(
            "How long the job in hand may go on after a signal (default: 10m).", valueName: "time"))
    var grace: DurationArgument?

    @Flag(help: "Sample every video, even if its frames are kept from before, and keep none.")
    var noCache = false

    @Flag(help: "Exit with 4 when there was nothing to do.")
    var failIfEmpty = false

    @Option(help: "How progress is shown.")
    var progress = ProgressStyle.auto

    func validate() throws {
        if let maxJobs, maxJobs < 1 {
            throw ValidationError("--max-jobs \(maxJobs): expected at least 1")
        }
        if gpus != nil, device.device != nil {
            throw ValidationError(
                "--gpus and --device exclude each other: --gpus names the devices")
        }
        try sampler.check(noCache: noCache)
    }

    func run() async throws {
        var options = RunnerOptions()
        options.drain = drain
        options.until = until?.date
        options.maxJobs = maxJobs
        if let grace { options.grace = grace.duration }
        if let model { options.filter.modelSHA256 = try ModelReference(model).sha256 }
        // A queue that was never made is a mistake in the path rather than a reason to wait.
        let queue = try global.writeQueue()
        if let gpus { return try await runFleet(gpus, queue) }
        let summary = try await Working(
            global: global, device: device, style: progress,
            cache: sampler.cache(isOff: noCache), decoding: sampler.decoding.choice,
            sharesVideos: !noCache
        ).run(queue, options)
        let code = try await exitCode(summary, queue)
        if code != 0 { throw ExitCode(code) }
    }

    private func runFleet(_ gpus: GPUList, _ queue: any QueueStore) async throws {
        var policy = FleetPolicy()
        policy.until = until?.date
        if let grace { policy.grace = grace.duration + .seconds(60) }
        let fleet = WorkFleet(
            global: global, gpus: try gpus.numbers(count: MachineDevices.gpuCount),
            style: progress, policy: policy)
        let (code, wasStopped) = await fleet.run()
        // A worker that was stopped before it had looked at the queue has nothing to say of it.
        if code == 0 || code == CommandExit.failedJobs, wasStopped,
            try await queue.remaining(JobSelection()) > 0
        {
            throw ExitCode(CommandExit.workLeft)
        }
        if code != 0 { throw ExitCode(code) }
    }

    private func exitCode(_ summary: RunSummary, _ queue: any QueueStore) async throws -> Int32 {
        if summary.claimed == 0, failIfEmpty { return CommandExit.nothingToDo }
        if summary.reason != .drained, try await queue.remaining(JobSelection()) > 0 {
            return CommandExit.workLeft
        }
        return summary.failed > 0 ? CommandExit.failedJobs : 0
    }
}

/// Runs one worker in this process.
struct Working {
    var global: GlobalOptions
    var device: DeviceOptions
    var style: ProgressStyle
    /// `nil` samples every video.
    var cache: FrameCache?
    var decoding = DecodingChoice()
    var sharesVideos = true

    func run(_ queue: any QueueStore, _ options: RunnerOptions) async throws -> RunSummary {
        _ = try device.loadTorch()
        let sampler = SamplerLaunch.start()
        let engine = LongVAEngine(
            sampler: sampler, cache: cache, decoding: decoding, sharesVideos: sharesVideos,
            model: device.engine())
        let reporter = ProgressReporter(style.resolved(global), json: global.json)
        let runner = JobRunner(
            queue: queue, engine: engine,
            worker: .current(device: device.name, version: Version.text), options: options,
            observer: reporter)
        let stop = StopSignal()
        let signals = SignalWatch(stop)
        let supervisor = SupervisorWatch.start(stop)
        let counting = Task { await reporter.follow(queue) }
        defer {
            counting.cancel()
            supervisor?.cancel()
            signals.stop()
        }
        let result: Result<RunSummary, any Error>
        do { result = .success(try await runner.run(stop: stop)) } catch {
            result = .failure(error)
        }
        reporter.end()
        if case .success(let summary) = result, case .forced(let signal) = summary.reason {
            // The model's thread may be deep in a computation: nothing of it is waited for.
            _exit(128 + signal)
        }
        await sampler.shutDown()
        let summary = try result.get()
        global.say(Self.text(summary))
        return summary
    }

    private static func text(_ summary: RunSummary) -> String {
        let parts = [
            (summary.succeeded, "answered"), (summary.failed, "failed"),
            (summary.retried, "to be tried again"), (summary.cancelled, "cancelled"),
            (summary.interrupted, "given back"), (summary.lost, "lost to another worker"),
        ].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        return parts.isEmpty ? "nothing to do" : parts.joined(separator: ", ")
    }
}
