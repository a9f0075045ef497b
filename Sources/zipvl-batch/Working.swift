import Foundation
import Glibc
import Jobs
import Runner
import VideoFrames

/// Runs one worker in this process.
struct Working {
    var global: GlobalOptions
    var device: DeviceOptions
    var options: WorkOptions
    /// `nil` samples every video.
    var cache: FrameCache?
    var decoding = DecodingChoice()
    var sharesVideos = true

    func run(_ queue: any QueueStore, _ settings: RunnerOptions) async throws -> RunSummary {
        _ = try device.loadTorch()
        let sampler = SamplerLaunch.start()
        let engine = LongVAEngine(
            sampler: sampler, cache: cache, decoding: decoding, sharesVideos: sharesVideos,
            model: device.engine())
        let worker = WorkerInfo.current(device: device.name, version: Version.text)
        let log = try options.logFile.map { try ReopenableFile($0) }
        let reporter = ProgressReporter(
            options.style(global), json: global.json, log: log?.write)
        var observers: [any RunObserver] = [reporter]
        if options.logFormat == .json {
            let write: @Sendable (String) -> Void = { Terminal.write($0 + "\n") }
            observers.append(JSONLog(worker: worker.name, write: log?.write ?? write))
        }
        let runner = JobRunner(
            queue: queue, engine: engine, worker: worker, options: settings,
            observer: RunObservers(observers))
        let stop = StopSignal()
        var reopen: (@Sendable () -> Void)?
        if let log { reopen = { log.reopen() } }
        let signals = SignalWatch(
            stop, reopen: reopen, tell: { reporter.tell() }, toggle: { reporter.toggle() })
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
        if case .success(let summary) = result {
            // The model's thread may be deep in a computation: nothing of it is waited for.
            if case .forced(let signal) = summary.reason { _exit(128 + signal) }
            if case .hung = summary.reason {
                Terminal.complain("the engine did not end when its job was given up")
                _exit(1)
            }
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
            (summary.journalled, "only in the answers journal"),
            (summary.readmitted, "taken in from journals"),
        ].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        return parts.isEmpty ? "nothing to do" : parts.joined(separator: ", ")
    }

    /// What the process ends with when its queue did not fail.
    static func exitCode(_ summary: RunSummary, _ queue: any QueueBackend) async throws -> Int32 {
        if summary.reason == .halted { return CommandExit.halted }
        if summary.reason != .drained, try await queue.remaining(JobSelection()) > 0 {
            return CommandExit.workLeft
        }
        return summary.failed > 0 ? CommandExit.failedJobs : 0
    }
}
