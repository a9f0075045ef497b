import ArgumentParser
import Foundation
import Jobs
import Runner

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

    @OptionGroup var limits: WorkOptions

    @Flag(help: "End when nothing is left to do.")
    var drain = false

    @Option(help: ArgumentHelp("Claim only jobs of this model.", valueName: "dir"))
    var model: String?

    @Flag(help: "Sample every video, even if its frames are kept from before, and keep none.")
    var noCache = false

    @Flag(help: "Exit with 4 when there was nothing to do.")
    var failIfEmpty = false

    func validate() throws {
        if gpus != nil, device.device != nil {
            throw ValidationError(
                "--gpus and --device exclude each other: --gpus names the devices")
        }
        try sampler.check(noCache: noCache)
    }

    func run() async throws {
        var options = try limits.options(global)
        options.drain = drain
        if let model { options.filter.modelSHA256 = try ModelReference(model).sha256 }
        // A queue that was never made is a mistake in the path rather than a reason to wait.
        let queue = try global.writeQueue()
        if let gpus { return try await runFleet(gpus, queue) }
        let summary = try await Working(
            global: global, device: device, options: limits,
            cache: sampler.cache(isOff: noCache), decoding: sampler.decoding.choice,
            sharesVideos: !noCache
        ).run(queue, options)
        if summary.claimed == 0, failIfEmpty { throw ExitCode(CommandExit.nothingToDo) }
        let code = try await Working.exitCode(summary, queue)
        if code != 0 { throw ExitCode(code) }
    }

    private func runFleet(_ gpus: GPUList, _ queue: any QueueStore) async throws {
        var policy = FleetPolicy()
        policy.until = limits.until?.date
        if let grace = limits.grace { policy.grace = grace.duration + .seconds(60) }
        policy.haltCode = CommandExit.halted
        policy.haltsNow = try limits.halt.map { try HaltPolicy($0).when == .now } ?? false
        let fleet = WorkFleet(
            global: global, gpus: try gpus.numbers(count: MachineDevices.gpuCount),
            style: limits.progress, policy: policy, hasLogFile: limits.logFile != nil)
        let (code, wasStopped) = await fleet.run()
        // A worker that was stopped before it had looked at the queue has nothing to say of it.
        if code == 0 || code == CommandExit.failedJobs, wasStopped,
            try await queue.remaining(JobSelection()) > 0
        {
            throw ExitCode(CommandExit.workLeft)
        }
        if code != 0 { throw ExitCode(code) }
    }
}
