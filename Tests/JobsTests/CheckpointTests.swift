import Foundation
import GRDB
import Testing

@testable import Jobs

@Suite struct CheckpointTests {
    private func fill(_ test: TestQueue, _ round: Int = 0) async throws {
        try await test.enqueue(50) { $0.question = "Round \(round): how many cars?" }
    }

    @Test func `a checkpoint copies the whole log`() async throws {
        let test = try TestQueue { $0.guardsCheckpoints = true }
        try await fill(test)
        let outcome = try await test.queue.checkpoint()
        guard case .done(let pages, let copied) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(pages > 10 && copied == pages)
    }

    @Test func `without the guard nothing is copied`() async throws {
        let test = try TestQueue {
            $0.guardsCheckpoints = true
            $0.busyTimeout = 0.1
        }
        try await fill(test)
        let lock = try FileLock(path: test.path + ".maint.lock")
        #expect(lock != nil)
        let first = try await test.queue.checkpoint()
        #expect(first == .skipped("\(test.path).maint.lock is held"))
        withExtendedLifetime(lock) {}
    }

    @Test func `while somebody writes nothing is copied`() async throws {
        let test = try TestQueue {
            $0.guardsCheckpoints = true
            $0.busyTimeout = 0.1
        }
        try await fill(test)
        let size = try fileSize(test.path)
        let writer = try DatabaseQueue(path: test.path)
        let checkpoint = GuardedCheckpoint(path: test.path, environment: test.queue.environment)
        let outcome = try await writer.writeWithoutTransaction { db in
            try db.beginTransaction(.immediate)
            let outcome = try checkpoint.run()
            try db.rollback()
            return outcome
        }
        #expect(outcome == .skipped("a writer holds the database"))
        #expect(try fileSize(test.path) == size)
        guard case .done(let pages, let copied) = try await test.queue.checkpoint() else {
            Issue.record("not copied afterwards")
            return
        }
        #expect(copied == pages)
    }

    @Test func `the log stays small over many rounds, and grows without checkpoints`()
        async throws
    {
        let test = try TestQueue { $0.guardsCheckpoints = true }
        var sizes: [Int] = []
        for round in 0..<12 {
            try await fill(test, round)
            try await test.queue.maintain()
            sizes.append(try fileSize(test.path + "-wal"))
        }
        let bound = try #require(sizes.prefix(4).max())
        #expect(sizes.allSatisfy { $0 <= 2 * bound }, "\(sizes)")
        for round in 12..<40 { try await fill(test, round) }
        #expect(try fileSize(test.path + "-wal") > 4 * bound)
    }

    @Test func `a worker that never idles still keeps the log within its limit`() async throws {
        let test = try TestQueue {
            $0.guardsCheckpoints = true
            $0.logLimit = 200_000
        }
        try await test.enqueue(120)
        let worker = try await test.worker()
        for _ in 0..<120 {
            let claim = try await test.claim(worker)
            _ = try await test.queue.complete(claim.attempt, .sample("x"))
        }
        // Beyond the limit by what the enqueue and one job write at most.
        #expect(try fileSize(test.path + "-wal") < 500_000)

        try await test.queue.maintain()
        try await fill(test)
        #expect(
            try fileSize(test.path + "-wal") <= 200_000,
            "a log that starts over is short, else every job would end with a checkpoint")
    }

    private func fileSize(_ path: String) throws -> Int {
        try #require(ContentIdentity.statistics(path).map { Int($0.size) })
    }
}
