import Foundation
import QueueTestSupport
import Synchronization
import Testing

@testable import Jobs

extension QueueUnderTest {
    static func postgres() throws -> QueueUnderTest {
        let clock = TestClock()
        let databases = UsedDatabases()
        let open = { @Sendable (database: PostgresDatabase) in
            var environment = PostgresEnvironment()
            environment.now = { "\(clock.now)::bigint" }
            return try PostgresQueue(url: database.url, environment: environment)
        }
        let database = try databases.take()
        let queue = try open(database)
        return QueueUnderTest(
            queue: queue, clock: clock, seesLives: true, another: { try open(database) },
            sibling: { try open(try databases.take()) }, endLife: { queue.dropLock($0) },
            limit: { name, count in
                let name = name.replacing("'", with: "''")
                try database.execute(
                    """
                    INSERT INTO queues (queue, max_running)
                    VALUES ('\(name)', \(count.map { "\($0)" } ?? "NULL"))
                    ON CONFLICT (queue) DO UPDATE SET max_running = excluded.max_running
                    """)
            }, close: { try databases.giveBack() })
    }
}

/// To make a database takes a while, to empty one does not: they go from test to test.
private final class UsedDatabases: Sendable {
    private static let free = Mutex<[PostgresDatabase]>([])
    private let taken = Mutex<[PostgresDatabase]>([])

    func take() throws -> PostgresDatabase {
        let database = try Self.free.withLock { $0.popLast() } ?? PostgresDatabase()
        taken.withLock { $0.append(database) }
        return database
    }

    func giveBack() throws {
        for database in taken.withLock({ taken in
            defer { taken = [] }
            return taken
        }) {
            let tables = PostgresQueue.tables.map(\.name).joined(separator: ", ")
            try database.execute(
                """
                TRUNCATE \(tables) RESTART IDENTITY CASCADE;
                INSERT INTO queues (queue) VALUES ('default')
                """)
            Self.free.withLock { $0.append(database) }
        }
    }
}
