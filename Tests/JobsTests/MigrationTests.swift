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
        let path = try folder.write("", to: "q.db")
        _ = try SQLiteQueue(path: path)
        // Made, but killed before the switch to write-ahead logging.
        let raw = try DatabaseQueue(path: path)
        let mode = try await raw.writeWithoutTransaction { db in
            try String.fetchOne(db, sql: "PRAGMA journal_mode = DELETE")
        }
        #expect(mode == "delete")
        try raw.close()
        let queue = try SQLiteQueue(path: path)
        let journal = try await queue.read { try String.fetchOne($0, sql: "PRAGMA journal_mode") }
        #expect(journal == "wal")
    }
}
