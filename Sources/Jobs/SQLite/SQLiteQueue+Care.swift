import Foundation
import GRDB
import Synchronization

extension SQLiteQueue {
    /// Does nothing while another process checkpoints or holds a long transaction: the next call will.
    package func maintain() async throws {
        guard connections.heartbeats != nil else { return }
        try await buryIdleWorkers()
        _ = try await checkpoint()
        ballast.make()
    }

    func checkpoint() async throws -> GuardedCheckpoint.Outcome {
        guard journal == .wal else { return .skipped("no log") }
        let checkpoint = GuardedCheckpoint(path: path, environment: environment)
        return try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async { [path, connections] in
                continuation.resume(
                    with: Result {
                        try SQLiteConnections.assertDurable(
                            connections.pool, connections.journal, path: path)
                        return try checkpoint.run()
                    }.mapError { QueueError($0, path: path) })
            }
        }
    }

    /// Checkpoints when the log has grown beyond its limit. While a reader keeps it from starting over,
    /// it is tried again at every further half of the limit, not at every write.
    func shortenLog() async {
        guard journal == .wal else { return }
        let (size, limit) = (connections.logBytes(of: path), environment.logLimit)
        let isDue = checkpointAt.withLock { next in
            let isDue = size > next
            next = isDue ? size + limit / 2 : size <= limit ? limit : next
            return isDue
        }
        // What was written stands; a log that is too long is told by `check`.
        if isDue { _ = try? await checkpoint() }
    }
}
