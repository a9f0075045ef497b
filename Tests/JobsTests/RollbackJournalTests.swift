import Foundation
import GRDB
import Schema
import Testing

@testable import Jobs

@Suite struct RollbackJournalTests {
    private func rollback() throws -> TestQueue { try TestQueue { $0.journal = .rollback } }

    @Test func `every writer syncs journal and folder at each commit`() async throws {
        let test = try rollback()
        #expect(test.queue.journal == .rollback)
        let heartbeats = try #require(test.queue.connections.heartbeats)
        for writer in [test.queue.connections.pool, heartbeats] as [any DatabaseWriter] {
            let settings = try await writer.writeWithoutTransaction { db in
                try ["synchronous", "journal_mode", "foreign_keys", "busy_timeout"]
                    .map { try String.fetchOne(db, sql: "PRAGMA \($0)") }
            }
            #expect(settings == ["3", "truncate", "1", "30000"])
        }
    }

    @Test func `jobs go all their way without a log`() async throws {
        let test = try rollback()
        let jobs = try await test.enqueue(5)
        let worker = try await test.worker()
        let claims = [try await test.claim(worker), try await test.claim(worker)]
        #expect(try await test.queue.start(claims[0].attempt))
        #expect(try await test.beat(claims[0]) != .lost)
        #expect(try await test.queue.complete(claims[0].attempt, .sample("x")) == .stored)
        test.queue.dropLock(worker)
        #expect(try await test.another().rescue().map(\.job) == [jobs[1]])
        try await test.queue.maintain()
        #expect(try await test.findings().isEmpty)
        #expect(!FileManager.default.fileExists(atPath: test.path + "-wal"))
        #expect(try await test.queue.checkpoint() == .skipped("no log"))
    }

    @Test func `the file keeps its journal, whoever opens it`() async throws {
        let test = try rollback()
        try await test.enqueue(3)
        let another = try test.another { $0.journal = .wal }
        #expect(another.journal == .rollback)
        let reader = try SQLiteQueue(path: test.path, readOnly: true)
        #expect(reader.journal == .rollback)
        #expect(try await reader.list(JobSelection(), limit: 9).count == 3)
        let copy = test.folder.file("copy.db")
        try await test.queue.backup(to: copy)
        #expect(try SQLiteQueue(path: copy).journal == .rollback)
    }

    @Test func `a queue is made with the journal that is asked for, once`() throws {
        let folder = try TemporaryFolder()
        for journal in QueueJournal.allCases {
            let path = folder.file("\(journal).db")
            #expect(try SQLiteQueue.create(path: path, journal: journal).journal == journal)
            #expect(try SQLiteQueue.create(path: path, journal: journal).journal == journal)
            let other: QueueJournal = journal == .wal ? .rollback : .wal
            let error = #expect(throws: QueueError.self) {
                try SQLiteQueue.create(path: path, journal: other)
            }
            #expect(error?.kind == .incompatible)
        }
    }

    @Test func `a newer schema is reached with a backup`() async throws {
        let test = try rollback()
        try await test.enqueue(2)
        let newer = try test.another {
            $0.migrations.append(
                Schema.Migration(
                    version: $0.migrations.count + 1, sql: "CREATE TABLE more (x TEXT) STRICT"))
        }
        #expect(newer.journal == .rollback)
        let backups = try FileManager.default.contentsOfDirectory(atPath: test.folder.path)
            .filter { $0.hasSuffix(".backup") }
        #expect(backups.count == 1)
        #expect(try SQLiteQueue(path: test.folder.file(backups[0])).journal == .rollback)
    }

    @Test func `many workers share it`() async throws {
        let test = try rollback()
        let jobs = try await test.enqueue(40)
        let counts = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let queue = try test.another()
                    let worker = try await queue.register(.current(device: "cpu", version: "t"))
                    var count = 0
                    while let claim = try await queue.claim(
                        worker, filter: ClaimFilter(), lease: .seconds(60))
                    {
                        #expect(
                            try await queue.complete(claim.attempt, .sample("x")) == .stored)
                        count += 1
                    }
                    return count
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(counts == jobs.count)
        #expect(try await test.value("SELECT count(*) FROM answers") == jobs.count)
    }
}
