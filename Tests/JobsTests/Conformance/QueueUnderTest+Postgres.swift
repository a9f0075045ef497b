import Foundation
import QueueTestSupport
import Synchronization
import Testing

@testable import Jobs

extension QueueUnderTest {
    /// Why PostgreSQL cannot be tested here; `nil` when it can.
    static let postgresIsMissing: String? = {
        PostgresServer.isAvailable ? nil : PostgresServer.reason
    }()

    static func postgres() throws -> QueueUnderTest {
        try .postgres(DatabasePool.shared.take())
    }

    /// - Parameter database: empty
    static func postgres(
        _ database: PostgresDatabase, clock: TestClock = TestClock()
    ) throws -> QueueUnderTest {
        let databases = Mutex([database])
        let open = { @Sendable (database: PostgresDatabase) in
            var environment = PostgresEnvironment()
            environment.now = { "\(clock.now)::bigint" }
            return try PostgresQueue(url: database.url, environment: environment)
        }
        let queue = try open(database)
        return QueueUnderTest(
            queue: queue, clock: clock, seesLives: true, another: { try open(database) },
            sibling: {
                let other = try DatabasePool.shared.take()
                databases.withLock { $0.append(other) }
                return try open(other)
            },
            endLife: { worker in _ = queue.locks.withLock { $0.removeValue(forKey: worker) } },
            limit: { name, count in
                let name = name.replacing("'", with: "''")
                let count = count.map { "\($0)" } ?? "NULL"
                try database.execute(
                    """
                    INSERT INTO queues (queue, max_running) VALUES ('\(name)', \(count))
                    ON CONFLICT (queue) DO UPDATE SET max_running = \(count)
                    """)
            }, close: { databases.withLock { DatabasePool.shared.giveBack($0) } })
    }
}

/// Databases with the queue's tables, used again and again: to make one takes longer than to empty it.
final class DatabasePool: Sendable {
    static let shared = DatabasePool()
    private let idle = Mutex<[PostgresDatabase]>([])

    private init() {
        // They are dropped where the server outlives the tests.
        atexit { DatabasePool.shared.idle.withLock { $0.removeAll() } }
    }

    func take() throws -> PostgresDatabase {
        guard let database = idle.withLock({ $0.popLast() }) else {
            let database = try PostgresDatabase()
            _ = try PostgresQueue(url: database.url)
            return database
        }
        try Self.empty(database)
        return database
    }

    func giveBack(_ databases: [PostgresDatabase]) {
        idle.withLock { $0 += databases }
    }

    static func empty(_ database: PostgresDatabase) throws {
        try database.execute(
            """
            DELETE FROM answers; DELETE FROM attempts; DELETE FROM jobs; DELETE FROM batches;
            DELETE FROM videos; DELETE FROM configs; DELETE FROM workers; DELETE FROM queues;
            DELETE FROM events; DELETE FROM evaluations;
            INSERT INTO queues (queue) VALUES ('default')
            """)
    }
}
