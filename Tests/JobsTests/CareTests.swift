import Foundation
import GRDB
import Testing

@testable import Jobs

@Suite struct CareTests {
    private func finding(_ test: TestQueue, _ subject: String) async throws -> Finding? {
        try await test.queue.check().first { $0.subject == subject }
    }

    // MARK: Check

    @Test func `a schema that was edited is found out`() async throws {
        let test = try TestQueue()
        #expect(try await finding(test, "drift")?.level == .ok)
        try await test.execute("CREATE INDEX mine ON jobs(question)")
        #expect(try await finding(test, "drift")?.level == .warning)
        try await test.execute("DROP INDEX jobs_claim")
        try await test.execute("DROP VIEW failures")
        try await test.execute("CREATE VIEW failures AS SELECT 1 AS one")
        let drift = try #require(try await finding(test, "drift"))
        #expect(drift.level == .error)
        for part in ["index jobs_claim is missing", "view failures was changed", "index mine"] {
            #expect(drift.detail.contains(part), "\(drift.detail)")
        }
    }

    @Test(
        arguments: [
            "UPDATE attempts SET ended_at_ms = 1, outcome = 'failed' WHERE attempt_id = 1",
            "UPDATE jobs SET attempt_id = 2 WHERE job_id = 1",
            "DELETE FROM answers WHERE job_id = 2",
            """
            UPDATE jobs SET state = 'failed' WHERE job_id = 2
            """,
            "UPDATE attempts SET outcome = 'failed' WHERE attempt_id = 2",
            "UPDATE jobs SET attempts_made = -1 WHERE job_id = 3",
            "UPDATE jobs SET crashes = 9 WHERE job_id = 3",
        ])
    func `rows in impossible states are found`(damage: String) async throws {
        let test = try TestQueue()
        try await test.enqueue(3)
        let worker = try await test.worker()
        _ = try await test.claim(worker)
        _ = try await test.queue.complete(test.claim(worker).attempt, .sample("x"))
        #expect(try await test.findings().isEmpty)
        try await test.execute(damage)
        let findings = try await test.findings()
        #expect(findings.contains { $0.subject == "rows" && $0.level == .error }, "\(findings)")
    }

    @Test func `a writer that does not sync each commit is found`() async throws {
        let test = try TestQueue()
        try await test.queue.connections.heartbeats?.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA synchronous = NORMAL")
        }
        #expect(try await finding(test, "durability")?.level == .error)
    }

    @Test func `a log that a reader keeps from starting over is reported`() async throws {
        let test = try TestQueue {
            $0.logLimit = 100_000
            $0.guardsCheckpoints = true
        }
        var configuration = Configuration()
        configuration.readonly = true
        configuration.allowsUnsafeTransactions = true
        let reader = try DatabaseQueue(path: test.path, configuration: configuration)
        try await test.enqueue(1)
        try await reader.writeWithoutTransaction { db in
            try db.beginTransaction(.deferred)
            _ = try Int.fetchOne(db, sql: "SELECT count(*) FROM jobs")
        }
        for round in 0..<20 { try await test.enqueue(30) { $0.question = "\(round)" } }
        #expect(try await finding(test, "log")?.level == .warning)
        try await reader.writeWithoutTransaction { try $0.rollback() }
        try await test.queue.maintain()
        try await test.enqueue(2) { $0.question = "again" }
        #expect(try await finding(test, "log")?.level == .ok)
    }

    @Test func `a long enqueue leaves a short log`() async throws {
        let test = try TestQueue {
            $0.logLimit = 200_000
            $0.guardsCheckpoints = true
        }
        for round in 0..<10 { try await test.enqueue(200) { $0.question = "\(round)" } }
        let size = ContentIdentity.statistics(test.path + "-wal")?.size ?? 0
        #expect(size < 1_500_000, "nothing but enqueues: \(size)")
    }

    // MARK: Backup

    @Test func `a backup is a whole queue, made while others write`() async throws {
        let test = try TestQueue()
        try await test.enqueue(300)
        let target = test.folder.file("copy.db")
        let other = try test.another()
        async let more = other.enqueue(.sample, (1000..<1300).map { .sample(video: $0) })
        try await test.queue.backup(to: target)
        _ = try await more
        let copy = try SQLiteQueue(path: target)
        #expect(copy.journal == .wal)
        let count = try await copy.list(JobSelection(), limit: 9999).count
        #expect(count == 300 || count == 600, "before or after, nothing in between")
        #expect(try await copy.check().allSatisfy { $0.level != .error })
        let rest = try FileManager.default.contentsOfDirectory(atPath: test.folder.path)
        #expect(!rest.contains { $0.contains(".part") }, "\(rest)")
    }

    @Test func `a backup replaces nothing`() async throws {
        let test = try TestQueue()
        let target = try test.folder.write("mine", to: "copy.db")
        let kind = await errorKind { try await test.queue.backup(to: target) }
        #expect(kind == .invalid)
        #expect(try String(contentsOfFile: target, encoding: .utf8) == "mine")
        let nowhere = await errorKind { try await test.queue.backup(to: "/no-such-folder/x.db") }
        #expect(nowhere == .unavailable)
    }

    @Test func `a damaged queue gives no backup`() async throws {
        let test = try TestQueue()
        try await test.enqueue(1)
        // A row that refers to nothing.
        try await test.queue.connections.pool.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA foreign_keys = OFF; DELETE FROM videos")
        }
        let target = test.folder.file("copy.db")
        let kind = await errorKind { try await test.queue.backup(to: target) }
        #expect(kind == .corrupt)
        #expect(!FileManager.default.fileExists(atPath: target))
    }

    // MARK: Prune

    @Test func `prune deletes what ended before, with all that only it referred to`() async throws {
        let test = try TestQueue()
        // 0 answered, 1 failed, 2 cancelled, 3 running, 4 queued, 5 held, 6 answered later.
        let jobs = try await test.enqueue(7)
        let (first, second) = (try await test.worker(), try await test.worker())
        _ = try await test.queue.complete(test.claim(first).attempt, .sample("x"))
        _ = try await test.queue.fail(test.claim(first).attempt, .sample(.input), retryAt: nil)
        func only(_ index: Int) -> JobSelection {
            var selection = JobSelection()
            selection.ids = [jobs[index]...jobs[index]]
            return selection
        }
        _ = try await test.queue.cancel(only(2))
        _ = try await test.queue.hold(only(5))
        try await test.queue.unregister(first, reason: "drained")
        _ = try await test.claim(second)
        test.clock.advance(seconds: 100)
        _ = try await test.queue.prioritize(only(6), priority: 1)
        _ = try await test.queue.complete(test.claim(second).attempt, .sample("late"))
        // A batch all of which goes.
        _ = try await test.queue.enqueue(
            BatchSpec(name: "other", source: "-", specJSON: "{}"), [.sample(video: 50)])
        let gone = try #require(
            try await test.value("SELECT max(job_id) FROM jobs", as: JobID.self))
        try await test.execute(
            "UPDATE jobs SET state = 'cancelled', finished_at_ms = 1 WHERE job_id = \(gone)")

        let retention = Retention(before: Date(milliseconds: test.clock.now - 50_000))
        let dry = try await test.queue.prune(retention, isDry: true)
        #expect(try await test.value("SELECT count(*) FROM jobs") == 8, "only counted")
        let report = try await test.queue.prune(retention, isDry: false)
        #expect(report == dry)
        #expect(report.jobs == 4 && report.attempts == 2 && report.answers == 1)
        #expect(report.batches == 1 && report.videos == 4 && report.workers == 1)
        #expect(report.configs == 0 && report.events == 2)
        let left = try await test.queue.list(JobSelection(), limit: 99).map(\.jobID)
        #expect(left == [jobs[3], jobs[4], jobs[5], jobs[6]])
        #expect(try await test.findings().isEmpty)
        #expect(try await test.queue.prune(retention, isDry: false) == PruneReport())
    }

    @Test func `prune goes by state and batch`() async throws {
        let test = try TestQueue()
        let worker = try await test.worker()
        for batch in ["a", "b"] {
            _ = try await test.queue.enqueue(
                BatchSpec(name: batch, source: "-", specJSON: "{}"),
                [
                    .sample(video: 1, question: batch + "1"),
                    .sample(video: 1, question: batch + "2"),
                ])
        }
        for index in 0..<4 {
            let claim = try await test.claim(worker)
            if index % 2 == 0 {
                _ = try await test.queue.complete(claim.attempt, .sample("x"))
            } else {
                _ = try await test.queue.fail(claim.attempt, .sample(.input), retryAt: nil)
            }
        }
        test.clock.advance(seconds: 10)
        let now = Date(milliseconds: test.clock.now)
        let one = Retention(before: now, states: [.failed, .queued, .running], batch: "a")
        #expect(try await test.queue.prune(one, isDry: false).jobs == 1)
        let rest = Retention(before: now, states: [.succeeded])
        #expect(try await test.queue.prune(rest, isDry: false).jobs == 2)
        let last = try await test.queue.list(JobSelection(), limit: 9)
        #expect(last.map(\.state) == [.failed] && last.map(\.batch) == ["b"])
        #expect(try await test.findings().isEmpty)
    }
}
