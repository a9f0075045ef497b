import Foundation
import QueueTestSupport
import Testing

@testable import Jobs

/// What is special to PostgreSQL; the common rules are tested by the conformance suite. One after the
/// other: they time things, and a server has only so many connections.
@Suite(
    .serialized, .enabled(if: PostgresServer.isAvailable, Comment(rawValue: PostgresServer.reason)))
enum PostgresTests {}

/// A queue in a database of its own, with a clock that stands still until it is moved.
struct PostgresTestQueue: Sendable {
    let database: PostgresDatabase
    let clock = TestClock()
    let queue: PostgresQueue

    init(
        on server: PostgresServer? = nil, _ change: (inout PostgresEnvironment) -> Void = { _ in }
    ) throws {
        database = try PostgresDatabase(on: server)
        queue = try Self.open(database, clock, change)
    }

    /// A second object on the same database, as another process would have.
    func another(_ change: (inout PostgresEnvironment) -> Void = { _ in }) throws -> PostgresQueue {
        try Self.open(database, clock, change)
    }

    /// By way of a proxy.
    func another(
        by proxy: PostgresProxy, _ change: (inout PostgresEnvironment) -> Void = { _ in }
    ) throws -> PostgresQueue {
        try Self.open(database, url: proxy.url(database: database.name), clock, change)
    }

    private static func open(
        _ database: PostgresDatabase, url: String? = nil, _ clock: TestClock,
        _ change: (inout PostgresEnvironment) -> Void
    ) throws -> PostgresQueue {
        var environment = PostgresEnvironment()
        environment.now = { "\(clock.now)::bigint" }
        change(&environment)
        return try PostgresQueue(url: url ?? database.url, environment: environment)
    }

    /// Jobs of one question each about videos 0 ..< count.
    @discardableResult
    func enqueue(_ count: Int, change: (inout NewJob) -> Void = { _ in }) async throws -> [JobID] {
        let jobs = (0..<count).map { index in
            var job = NewJob.sample(video: index)
            change(&job)
            return job
        }
        return try await queue.enqueue(.sample, jobs).inserted
    }

    func worker(_ queue: PostgresQueue? = nil) async throws -> WorkerID {
        try await (queue ?? self.queue).register(.current(device: "cpu", version: "test"))
    }

    func claim(_ worker: WorkerID) async throws -> Claim {
        try #require(try await queue.claim(worker, filter: ClaimFilter(), lease: .seconds(60)))
    }

    /// Ends the server processes of this database's connections whose name ends like this.
    func terminate(_ role: String) throws {
        try database.execute(
            """
            SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'zipvl-batch \(role)'
            """)
    }
}
