import Foundation
import Glibc
import Jobs
import Runner

/// What a worker did, for the test that watches it: each line is one `write`, which outlives the
/// process however it dies.
struct StormLog: RunObserver {
    private let acks: Int32
    private let events: Int32?

    /// - Parameters:
    ///   - acks: gets a line "job attempt" for every answer that the queue acknowledged
    ///   - events: gets a line "kind job attempt" for everything that becomes of a job
    init(acks: String, events: String?) throws {
        self.acks = try Self.open(acks)
        self.events = try events.map(Self.open)
    }

    private static func open(_ path: String) throws -> Int32 {
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw QueueError(.unavailable, "\(path): cannot be opened") }
        return descriptor
    }

    func note(_ kind: String, _ claim: Claim) {
        guard let events else { return }
        Self.write("\(kind) \(claim.job) \(claim.attempt)\n", to: events)
    }

    private static func write(_ line: String, to descriptor: Int32) {
        let bytes = Array(line.utf8)
        // A line that is not written makes the test fail, which is what it is for.
        _ = Glibc.write(descriptor, bytes, bytes.count)
    }

    func handle(_ event: RunEvent) {
        switch event {
        case .claimed(let claim): note("claimed", claim)
        case .finished(let claim, let outcome):
            switch outcome {
            case .succeeded:
                Self.write("\(claim.job) \(claim.attempt)\n", to: acks)
                note("stored", claim)
            case .failed: note("failed", claim)
            case .cancelled: note("cancelled", claim)
            case .interrupted: note("interrupted", claim)
            case .lost: note("lost", claim)
            }
        case .notice(let message):
            Self.write("storm-worker \(getpid()): \(message)\n", to: 2)
        default: break
        }
    }
}
