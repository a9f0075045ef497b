import Foundation
import Glibc
import Jobs
import Runner
import VideoFrames

/// A worker process for tests that kill, stop and starve it: the real runner and the real queue on an
/// engine that computes nothing. `StormOptions.usage` says what it takes.
///
/// Ends as `zipvl-batch work` does: 0 when nothing is left to run, 3 when jobs failed for good, 5 when
/// work is left, 69 to 78 by what the queue failed with, 130 or 143 after a second signal.
@main
enum StormWorker {
    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        switch arguments.first {
        case "frames": end { try FrameStorm.run(Array(arguments.dropFirst())) }
        case "__sampler": exit(SamplerChild.run())
        default: break
        }
        do {
            if arguments.first == "fill" {
                exit(try await StormFill.run(Array(arguments.dropFirst())))
            }
            exit(try await work(StormOptions(arguments)))
        } catch {
            end { throw error }
        }
    }

    private static func end(_ body: () throws -> Int32) -> Never {
        do { exit(try body()) } catch {
            FileHandle.standardError.write(Data("storm-worker: \(error)\n".utf8))
            exit((error as? QueueError).map { code(of: $0.kind) } ?? 1)
        }
    }

    private static func code(of kind: QueueError.Kind) -> Int32 {
        switch kind {
        case .busy: 75
        case .unavailable: 69
        case .corrupt: 76
        case .full: 74
        case .incompatible: 78
        case .invalid: 2
        case .lost: 1
        }
    }

    private static func work(_ options: StormOptions) async throws -> Int32 {
        // Heard from the start: a signal that comes early must not just kill.
        let signals = StormStop()
        endWithParent()
        try options.limitMemory()
        let queue = try options.open()
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let sampler = SamplerProcess(executable: own)
        let log = try StormLog(acks: options.acks, events: options.events)
        let engine = StormEngine(
            duration: options.duration, log: log, sampler: sampler,
            mayTakeMemory: options.memory != nil)
        var failed = 0
        while true {
            let runner = JobRunner(
                queue: queue, engine: engine, worker: options.worker, options: options.runner,
                clock: options.clock, observer: log)
            let summary = try await runner.run(stop: signals.stop)
            failed += summary.failed
            // A thread that hangs would keep the process from its end.
            if case .forced(let signal) = summary.reason { _exit(128 + signal) }
            if summary.reason == .hung { _exit(1) }
            let left = try await queue.remaining(JobSelection())
            if summary.reason != .drained || left == 0 {
                await sampler.shutDown()
                if summary.reason == .halted { return 6 }
                if summary.reason != .drained, left > 0 { return 5 }
                return failed > 0 ? 3 : 0
            }
            // A runner ends when nothing is due; here jobs become due one after another.
            try await Task.sleep(for: options.runner.pollInterval)
        }
    }
}
