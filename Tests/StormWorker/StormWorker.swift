import Crypto
import Foundation
import Glibc
import Jobs
import Runner

/// A worker process for tests that kill it: `storm-worker QUEUE ACKS MILLISECONDS`.
///
/// The real runner on an engine that takes so many milliseconds and answers with a hash of the input.
/// An answer that the queue acknowledged is written to the file ACKS as a line "job attempt" and synced
/// to the disk before the runner goes on. Ends with 0 when nothing is left to run.
@main
enum StormWorker {
    static func main() async {
        do {
            let arguments = CommandLine.arguments
            if arguments.dropFirst().first == "frames" {
                exit(try FrameStorm.run(Array(arguments.dropFirst(2))))
            }
            guard arguments.count == 4, let milliseconds = Int64(arguments[3]) else {
                throw QueueError(.invalid, "usage: storm-worker QUEUE ACKS MILLISECONDS")
            }
            let queue = try SQLiteQueue(path: arguments[1])
            var options = RunnerOptions()
            options.drain = true
            options.pollInterval = .milliseconds(20)
            options.heartbeat = .milliseconds(40)
            let acknowledgements = try Acknowledgements(path: arguments[2])
            // A runner ends when nothing is due; here jobs become due one after another.
            while try await queue.remaining(JobSelection()) > 0 {
                let runner = JobRunner(
                    queue: queue, engine: HashEngine(duration: .milliseconds(milliseconds)),
                    worker: .current(device: "cpu", version: "storm"), options: options,
                    observer: acknowledgements)
                _ = try await runner.run()
                try await Task.sleep(for: .milliseconds(20))
            }
        } catch {
            FileHandle.standardError.write(Data("storm-worker: \(error)\n".utf8))
            exit(1)
        }
    }
}

/// Answers each job with the sha256 of its video and question, after a while.
struct HashEngine: JobEngine {
    let duration: Duration

    func prepare(_ claim: Claim) async throws -> String {
        "\(claim.video.contentID)|\(claim.question)"
    }

    func answer(
        _ claim: Claim, _ prepared: String,
        progress: @escaping @Sendable (String, Double) -> Void
    ) async throws -> Answer {
        for step in 1...2 {
            try await Task.sleep(for: duration / 2)
            progress("prefill", Double(step) / 2)
        }
        let digest = SHA256.hash(data: Data(prepared.utf8))
        return Answer(
            answer: digest.map { String($0, radix: 16) }.joined(separator: "."), choice: nil,
            correct: nil, finishReason: .stop, framesUsed: 1, visualTokens: 1, promptTokens: 1,
            outputTokens: 1, attnFLOPsDense: 1, attnFLOPsUsed: 1, llmFLOPsDense: 1,
            llmFLOPsUsed: 1, kvCacheBytesDense: 1, kvCacheBytesUsed: 1, peakHostBytes: 1,
            totalMS: 50, warnings: [])
    }
}

/// Writes down what was stored, in lines that are on the disk when `handle` returns.
struct Acknowledgements: RunObserver {
    private let descriptor: Int32

    init(path: String) throws {
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw QueueError(.unavailable, "\(path): cannot be opened") }
    }

    func handle(_ event: RunEvent) {
        switch event {
        case .finished(let claim, .succeeded):
            let line = Array("\(claim.job) \(claim.attempt)\n".utf8)
            // A line that is not written makes the test fail, which is what it is for.
            _ = write(descriptor, line, line.count)
            fsync(descriptor)
        case .notice(let message):
            FileHandle.standardError.write(Data("storm-worker: \(message)\n".utf8))
        default: break
        }
    }
}
