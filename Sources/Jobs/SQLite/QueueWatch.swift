import Foundation
import GRDB
import Synchronization

/// A connection of its own that sees whether anybody committed.
final class QueueWatch: Sendable {
    private let connection = Mutex<DatabaseQueue?>(nil)

    /// What one look finds.
    struct Sight: Equatable, Sendable {
        /// Changes with every commit of another connection.
        var version: Int
        /// The first job that may run now, whatever its model.
        var head: JobID?
    }

    func look(_ queue: SQLiteQueue) async throws -> Sight {
        let connection = try connection.withLock { connection in
            if let connection { return connection }
            let new = try DatabaseQueue(
                path: queue.path,
                configuration: SQLiteConnections.configuration(
                    readOnly: true, environment: queue.environment, journal: queue.journal))
            connection = new
            return new
        }
        let now = queue.environment.now()
        return try await connection.read { db in
            Sight(
                version: try Int.fetchOne(db, sql: "PRAGMA data_version") ?? 0,
                head: try HeadSearch(db: db, now: now).head(ClaimFilter())?.job)
        }
    }
}

extension SQLiteQueue {
    /// Looks five times a second whether something was committed or has become due.
    package func waitForWork(upTo limit: Duration) async throws {
        let deadline = ContinuousClock.now + limit
        do {
            let before = try await watch.look(self)
            while ContinuousClock.now < deadline {
                try await Task.sleep(
                    for: min(.milliseconds(200), deadline - .now), tolerance: .milliseconds(5))
                let sight = try await watch.look(self)
                if sight.head != nil && sight != before { return }
            }
        } catch is CancellationError {
        } catch {
            throw QueueError(error, path: path)
        }
    }
}
