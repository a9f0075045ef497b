import Foundation
import GRDB
import QueueTestSupport
import Synchronization
import Testing

@testable import Jobs

/// Random sequences of all operations on the model in memory and on the other back ends. A failure
/// prints the shortest sequence found that shows it; `ZIPVL_MODEL_SEED=n` runs that of one seed.
@Suite(.serialized) struct ModelTests {
    /// `ZIPVL_SOAK=1` runs all of them.
    static func seeds(_ short: UInt64, of all: UInt64) -> Range<UInt64> {
        let variables = ProcessInfo.processInfo.environment
        if let seed = variables["ZIPVL_MODEL_SEED"].flatMap(UInt64.init) { return seed..<seed + 1 }
        return 0..<(variables["ZIPVL_SOAK"] == "1" ? all : short)
    }

    @Test func `SQLite with a write-ahead log does as the model does`() async throws {
        try await compareSQLite(seeds: Self.seeds(300, of: 10_000))
    }

    @Test func `SQLite with a rollback journal does as the model does`() async throws {
        try await compareSQLite(seeds: Self.seeds(100, of: 2_000)) { $0.journal = .rollback }
    }

    @Test(.enabled(if: PostgresServer.isAvailable, "no PostgreSQL server for tests"))
    func `PostgreSQL does as the model does`() async throws {
        let database = try DatabasePool.shared.take()
        defer { DatabasePool.shared.giveBack([database]) }
        let clock = TestClock()
        let test = try QueueUnderTest.postgres(database, clock: clock)
        try await ModelComparison {
            try DatabasePool.empty(database)
            clock.reset()
            return test
        }.run(seeds: Self.seeds(40, of: 1_000))
    }

    private func compareSQLite(
        seeds: Range<UInt64>,
        _ change: @escaping @Sendable (inout QueueEnvironment) -> Void = { _ in }
    ) async throws {
        // One file for all of them, for making one takes longer than emptying it.
        let file = try SQLiteFile(change)
        try await ModelComparison { try await file.emptied() }.run(seeds: seeds)
    }

    @Test func `sequences are long and of every kind`() {
        var kinds: [String: Int] = [:]
        for seed in 0..<200 {
            for operation in ModelOperation.sequence(seed: UInt64(seed)) {
                kinds[String("\(operation)".prefix { $0 != "(" }), default: 0] += 1
            }
        }
        #expect(kinds.count == 20 && kinds.values.allSatisfy { $0 >= 20 })
        #expect(ModelOperation.sequence(seed: 5) == ModelOperation.sequence(seed: 5))
        #expect(ModelOperation.sequence(seed: 5) != ModelOperation.sequence(seed: 6))
    }
}

/// A queue file in memory that is used again and again.
private final class SQLiteFile: Sendable {
    private let folder: TemporaryFolder
    private let queue: SQLiteQueue
    private let clock = TestClock()

    init(_ change: (inout QueueEnvironment) -> Void) throws {
        folder = try TemporaryFolder(inMemory: true)
        var environment = QueueEnvironment()
        environment.now = { [clock] in clock.now }
        environment.ballastBytes = 0
        change(&environment)
        queue = try SQLiteQueue(path: folder.file("q.db"), environment: environment)
    }

    func emptied() async throws -> QueueUnderTest {
        queue.locks.withLock { $0.removeAll() }
        try? FileManager.default.removeItem(atPath: queue.lockFolder)
        try await queue.write { db, _ in
            for table in [
                "answers", "attempts", "jobs", "batches", "videos", "configs", "workers", "queues",
                "events",
            ] {
                try db.execute(sql: "DELETE FROM \(table)")
            }
            try db.execute(sql: "INSERT INTO queues (queue) VALUES ('default')")
        }
        clock.reset()
        return .sqlite(queue, clock, keeping: folder) { [queue] _ in queue }
    }
}
