import Foundation
import Glibc
import Runner

/// `work --gpus`: this command again, once for each GPU.
struct WorkFleet {
    var global: GlobalOptions
    var gpus: [Int]
    var style: ProgressStyle
    var policy = FleetPolicy()
    /// Whether workers have a log file, which SIGHUP makes them open anew.
    var hasLogFile = false

    /// - Returns: the joined exit code, and whether the workers were asked to stop
    func run() async -> (code: Int32, wasStopped: Bool) {
        let path = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let stop = StopSignal()
        let relay = SignalRelay()
        var reopen: (@Sendable () -> Void)?
        if hasLogFile { reopen = { relay.send(SIGHUP) } }
        let signals = SignalWatch(
            stop, limit: policy.hardLimit + .seconds(5), reopen: reopen,
            tell: { relay.send(SIGUSR1) }, toggle: { relay.send(SIGUSR2) })
        defer { signals.stop() }
        let own = Array(CommandLine.arguments.dropFirst())
        let workers = gpus.map { number in
            WorkerFleet.Worker(
                name: "cuda:\(number)",
                arguments: Self.arguments(
                    own, gpu: number, of: gpus.count, isFirst: number == gpus.first,
                    style: workerStyle))
        }
        let isJSON = global.json
        let codes = await WorkerFleet.run(
            executable: path ?? CommandLine.arguments[0], workers: workers, policy: policy,
            stop: stop, relay: relay
        ) { line in
            switch line {
            // One object a line: a mark before it would be none.
            case .output(_, let text) where isJSON:
                print(text)
                fflush(nil)
            case .output(let worker, let text):
                print("[\(worker)] \(text)")
                fflush(nil)
            case .errors(let worker, let text), .note(let worker, let text):
                Terminal.complain("[\(worker)] \(text)")
            }
        }
        if stop.isForced, let signal = stop.signal { return (128 + signal, true) }
        return (FleetExit.joined(codes), stop.isRequested)
    }

    /// Lines, and no bars that would overwrite each other.
    private var workerStyle: ProgressStyle {
        style == .none || global.quiet ? .none : .plain
    }

    /// This process's arguments as those of one worker.
    ///
    /// - Parameter count: of workers: they share the cores that decode
    static func arguments(
        _ own: [String], gpu: Int, of count: Int, isFirst: Bool = true, style: ProgressStyle,
        cores: Int = ProcessInfo.processInfo.activeProcessorCount
    ) -> [String] {
        var result: [String] = []
        var skipsValue = false
        // The queue's figures need to be written by one of them only.
        let dropped = ["--gpus", "--progress"] + (isFirst ? [] : ["--metrics-file"])
        for argument in own {
            if skipsValue {
                skipsValue = false
                continue
            }
            if dropped.contains(argument) {
                skipsValue = true
                continue
            }
            if dropped.contains(where: { argument.hasPrefix($0 + "=") }) { continue }
            result.append(argument)
        }
        let decodes = own.contains { $0 == "--decode-threads" || $0.hasPrefix("--decode-threads=") }
        if count > 1, !decodes {
            result += ["--decode-threads", "\(max(1, min(8, cores / count)))"]
        }
        return result + ["--device", "cuda:\(gpu)", "--progress", style.rawValue]
    }
}

/// Lets a worker of a fleet finish its job and end when the fleet is gone.
struct SupervisorWatch {
    /// - Returns: `nil` in a process that no fleet started
    static func start(_ stop: StopSignal) -> Task<Void, Never>? {
        guard let text = ProcessInfo.processInfo.environment[WorkerFleet.variable],
            let supervisor = Int32(text)
        else { return nil }
        // Nobody reads what it says then.
        signal(SIGPIPE, SIG_IGN)
        return Task {
            while !Task.isCancelled {
                if getppid() != supervisor { return stop.request(signal: SIGTERM) }
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }
}
