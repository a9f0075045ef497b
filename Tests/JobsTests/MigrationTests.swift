import Foundation
import GRDB
import Schema
import Testing

@testable import Jobs

@Suite struct MigrationTests {
    private static let latest = Schema.sqlite.count
    private static let note = Schema.Migration(
        version: latest + 1, sql: "ALTER TABLE jobs ADD COLUMN note TEXT NOT NULL DEFAULT 'new'")

    @Test func `the steps are numbered from 1 without gaps`() {
        #expect(Schema.sqlite.map(\.version) == Array(1...Schema.sqlite.count))
    }

    @Test func `an older queue is migrated with its rows, and a backup is kept`() async throws {
        let test = try TestQueue()
        try await test.enqueue(3)
        let newer = try test.another { $0.migrations = Schema.sqlite + [Self.note] }
        #expect(try await newer.list(JobSelection(), limit: 9).count == 3)
        #expect(try await test.value("SELECT note FROM jobs") == "new")
        #expect(try await test.value("PRAGMA user_version") == Self.latest + 1)

        let backups = try FileManager.default.contentsOfDirectory(atPath: test.folder.path)
            .filter { $0.hasSuffix(".backup") }
        #expect(backups.count == 1 && backups[0].hasPrefix("q.db.v\(Self.latest)-"))
        let backup = try SQLiteQueue(path: test.folder.file(backups[0]))
        #expect(try await backup.list(JobSelection(), limit: 9).count == 3)
    }

    @Test(arguments: 1..<Schema.sqlite.count)
    func `a queue of each older version comes to the schema of a new one`(
        version: Int
    ) async throws {
        let old = try TestQueue { $0.migrations = Array(Schema.sqlite.prefix(version)) }
        try await old.enqueue(3)
        let migrated = try old.another()
        #expect(try await migrated.list(JobSelection(), limit: 9).count == 3)
        let schema = "SELECT name || ifnull(sql, '') FROM sqlite_master ORDER BY name"
        let new = try TestQueue()
        let expected = try await new.queue.read { try String.fetchAll($0, sql: schema) }
        #expect(try await migrated.read { try String.fetchAll($0, sql: schema) } == expected)
        #expect(try await old.value("PRAGMA user_version") == Self.latest)
    }

    @Test func `an answer of version 2 stands after the step to version 3`() async throws {
        let old = try TestQueue { $0.migrations = Array(Schema.sqlite.prefix(2)) }
        try await old.enqueue(1)
        let claim = try await old.claim(try await old.worker())
        try await old.execute(
            """
            INSERT INTO answers (job_id, attempt_id, answer, finish_reason, frames_used,
                visual_tokens, prompt_tokens, output_tokens, attn_flops_dense, attn_flops_used,
                llm_flops_dense, llm_flops_used, kv_cache_bytes_dense, kv_cache_bytes_used,
                peak_host_rss_bytes, total_ms, warnings_json, recorded_at_ms)
            VALUES (\(claim.job), \(claim.attempt), 'two', 'stop', 64, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                '["frame 3 missing"]', 1)
            """)
        try await old.execute(
            """
            UPDATE jobs SET state = 'succeeded', attempt_id = NULL, lease_expires_at_ms = NULL,
                finished_at_ms = 1
            """)
        let migrated = try old.another()
        let row = try #require(try await migrated.results(JobSelection(), limit: nil).first)
        #expect(row["answer"] == .text("two"))
        #expect(row["warnings"] == .text("frame 3 missing"))
        #expect(row["sampling"] == .text("time"))
        #expect(row["substituted_frames"] == .null)
        let answer = try #require(try await migrated.show(claim.job)?.answer)
        #expect(answer.answer == "two" && answer.substitutedFrames.isEmpty)
    }

    @Test func `a step that fails leaves the old queue as it was`() async throws {
        let test = try TestQueue()
        try await test.enqueue(3)
        let broken = Schema.Migration(
            version: Self.latest + 2, sql: "ALTER TABLE nothing ADD COLUMN x")
        #expect(throws: QueueError.self) {
            try test.another { $0.migrations = Schema.sqlite + [Self.note, broken] }
        }
        #expect(try await test.value("PRAGMA user_version") == Self.latest)
        let columns = try await test.queue.read { db in
            try String.fetchAll(db, sql: "SELECT name FROM pragma_table_info('jobs')")
        }
        #expect(!columns.contains("note"))
        #expect(try await test.claim(try await test.worker()).number == 1)
    }

    @Test func `reading alone does not migrate`() async throws {
        let test = try TestQueue()
        var environment = QueueEnvironment()
        environment.migrations = Schema.sqlite + [Self.note]
        let error = #expect(throws: QueueError.self) {
            try SQLiteQueue(path: test.path, readOnly: true, environment: environment)
        }
        #expect(error?.kind == .incompatible)
        #expect(try await test.value("PRAGMA user_version") == Self.latest)
    }

    @Test func `many that make the same queue at once make one`() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("new.db")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<8 {
                group.addTask {
                    let queue = try SQLiteQueue(path: path)
                    _ = try await queue.enqueue(.sample, [.sample(video: index)])
                }
            }
            try await group.waitForAll()
        }
        let queue = try SQLiteQueue(path: path)
        #expect(try await queue.list(JobSelection(), limit: 99).count == 8)
        #expect(try await queue.check().allSatisfy { $0.level != .error })
    }

    @Test func `a queue whose making was cut off is finished by the next`() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("q.db")
        // Made, but killed after the switch to write-ahead logging.
        let raw = try DatabaseQueue(path: path)
        _ = try await raw.writeWithoutTransaction { db in
            try String.fetchOne(db, sql: "PRAGMA journal_mode = WAL")
        }
        try raw.close()
        let queue = try SQLiteQueue(path: path)
        let journal = try await queue.read { try String.fetchOne($0, sql: "PRAGMA journal_mode") }
        #expect(journal == "wal")
        #expect(try await queue.check().allSatisfy { $0.level != .error })
    }

    @Test(arguments: 1..<4)
    func `running jobs and answers of an older version stand after the migration`(
        version: Int
    ) async throws {
        let old = try TestQueue { $0.migrations = Array(Schema.sqlite.prefix(version)) }
        let jobs = try await old.enqueue(4)
        let worker = try await old.worker()
        _ = try await old.claim(worker)
        _ = try await old.claim(worker)
        let cancelled = try await old.claim(worker)
        _ = try await old.queue.fail(cancelled.attempt, .sample(.input), retryAt: nil)
        try await old.execute("UPDATE jobs SET crashes = 1 WHERE job_id = \(jobs[3])")
        let rows =
            "SELECT group_concat(job_id || state || ifnull(attempt_id, '-') || crashes) FROM jobs"
        let before = try await old.value(rows, as: String.self)

        let migrated = try old.another()
        #expect(try await old.value(rows, as: String.self) == before)
        #expect(try await migrated.check().filter { $0.level == .error }.isEmpty)
        #expect(migrated.journal == .wal)
        // Nothing had begun in the sense of this version: the first claimed takes the blame.
        old.queue.dropLock(worker)
        let rescued = try await migrated.rescue()
        #expect(rescued.map(\.job) == [jobs[0], jobs[1]])
        #expect(
            try await old.value("SELECT group_concat(crashes) FROM jobs", as: String.self)
                == "1,0,0,1")
    }
}
