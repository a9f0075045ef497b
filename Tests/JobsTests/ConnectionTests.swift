import Foundation
import GRDB
import Schema
import Testing

@testable import Jobs

@Suite struct ConnectionTests {
    @Test func `every writer syncs each commit and leaves checkpoints to the guard`() async throws {
        let test = try TestQueue { $0.guardsCheckpoints = true }
        let heartbeats = try #require(test.queue.connections.heartbeats)
        for writer in [test.queue.connections.pool, heartbeats] as [any DatabaseWriter] {
            let settings = try await writer.writeWithoutTransaction { db in
                try [
                    "synchronous", "journal_mode", "wal_autocheckpoint", "foreign_keys",
                    "busy_timeout", "journal_size_limit", "mmap_size", "trusted_schema",
                ].map { try String.fetchOne(db, sql: "PRAGMA \($0)") }
            }
            #expect(
                settings == ["2", "wal", "0", "1", "30000", "4194304", "0", "1"],
                "\(type(of: writer))")
        }
    }

    @Test func `readers of a pool have no automatic checkpoint either`() async throws {
        let test = try TestQueue { $0.guardsCheckpoints = true }
        #expect(try await test.value("PRAGMA wal_autocheckpoint") == 0)
    }

    @Test func `a repaired library keeps its automatic checkpoints`() async throws {
        let test = try TestQueue { $0.guardsCheckpoints = false }
        let pages = try await test.queue.connections.pool.writeWithoutTransaction { db in
            try Int.fetchOne(db, sql: "PRAGMA wal_autocheckpoint")
        }
        #expect(try #require(pages) > 0)
    }

    @Test(
        arguments: [
            (3_040_001, false), (3_044_005, false), (3_044_006, true), (3_045_000, false),
            (3_050_006, false), (3_050_007, true), (3_051_002, false), (3_051_003, true),
            (3_052_000, true), (4_000_000, true),
        ] as [(Int32, Bool)])
    func `the WAL-reset fault is known by version`(version: Int32, isFixed: Bool) {
        #expect(SQLiteSafety.isWALResetFixed(version: version) == isFixed)
    }

    @Test func `a newer schema is refused with both versions named`() async throws {
        let test = try TestQueue()
        try await test.execute("PRAGMA user_version = 99")
        let error = #expect(throws: QueueError.self) { try test.another() }
        #expect(error?.kind == .incompatible)
        #expect(error?.message.contains("99") == true)
        #expect(error?.message.contains("version \(Schema.sqlite.count);") == true)
    }

    @Test func `a queue that was migrated under a worker gives it no more jobs`() async throws {
        let test = try TestQueue()
        try await test.enqueue(1)
        let worker = try await test.worker()
        try await test.execute("PRAGMA user_version = \(Schema.sqlite.count + 1)")
        let kind = await errorKind { _ = try await test.claim(worker) }
        #expect(kind == .incompatible)
    }

    @Test func `another program's database is refused and not touched`() async throws {
        let folder = try TemporaryFolder()
        for (name, sql) in [
            ("no-id.db", "CREATE TABLE notes (text)"),
            ("other-id.db", "CREATE TABLE notes (text); PRAGMA application_id = 7"),
        ] {
            let path = folder.file(name)
            let other = try DatabaseQueue(path: path)
            try await other.write { try $0.execute(sql: sql) }
            try other.close()
            let before = try Data(contentsOf: URL(fileURLWithPath: path))

            let error = #expect(throws: QueueError.self) { try SQLiteQueue(path: path) }
            #expect(error?.kind == .incompatible, "\(name)")
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
            #expect(!FileManager.default.fileExists(atPath: path + "-wal"))
        }
    }

    @Test func `a file that is no database is refused and not touched`() throws {
        let folder = try TemporaryFolder()
        let text = String(repeating: "not a database ", count: 100)
        let path = try folder.write(text, to: "video.mp4")
        let error = #expect(throws: QueueError.self) { try SQLiteQueue(path: path) }
        #expect(error?.kind == .incompatible)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
    }

    @Test func `a folder that does not exist is named`() {
        let error = #expect(throws: QueueError.self) {
            try SQLiteQueue(path: "/no-such-folder/q.db")
        }
        #expect(error?.kind == .unavailable)
        #expect(error?.message.contains("/no-such-folder") == true)
    }

    @Test func `a damaged page is reported as corrupt`() async throws {
        let test = try TestQueue()
        try await test.enqueue(200)
        let copy = test.folder.file("damaged.db")
        try await test.queue.connections.pool.vacuum(into: copy)
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: copy))
        // The root of `jobs` and all its pages, not the first one.
        try handle.seek(toOffset: 4096 * 4)
        try handle.write(contentsOf: Data(repeating: 0xAA, count: 4096 * 24))
        try handle.close()
        let kind = await errorKind {
            let queue = try SQLiteQueue(path: copy)
            _ = try await queue.list(JobSelection(), limit: 1000)
            _ = try await queue.enqueue(.sample, [.sample(video: 900)])
        }
        #expect(kind == .corrupt)
    }

    @Test func `a network filesystem is refused by name`() {
        let error = #expect(throws: QueueError.self) {
            try TestQueue { environment in
                environment.mounts = {
                    "/dev/sda1 / ext4 rw 0 0\nserver:/home / nfs4 rw 0 0\nproc /proc proc rw 0 0"
                }
            }
        }
        #expect(error?.kind == .incompatible)
        #expect(error?.message.contains("nfs4") == true)
        #expect(error?.message.contains("postgresql://") == true, "the way out is named")
    }

    @Test func `the nearest mount decides, with escapes undone`() {
        let mounts = """
            /dev/sda1 / ext4 rw 0 0
            server:/a /no\\040such nfs rw 0 0
            tmpfs /no\\040such/local tmpfs rw 0 0
            server:/b /no nfs rw 0 0
            """
        func type(_ path: String) -> String? {
            NetworkFilesystem.networkMount(of: path, mounts: mounts)?.type
        }
        #expect(type("/no such/q.db") == "nfs")
        #expect(type("/no such/local/deep/q.db") == nil)
        #expect(type("/no suchlike/q.db") == nil)
        #expect(type("/no/q.db") == "nfs")
        #expect(NetworkFilesystem.mount(of: "/q.db", mounts: mounts)?.point == "/")
        #expect(NetworkFilesystem.mount(of: "/q.db", mounts: "") == nil)
    }

    @Test func `a read-only queue reads while another writes, and cannot write`() async throws {
        let test = try TestQueue()
        let reader = try SQLiteQueue(path: test.path, readOnly: true)
        try await test.enqueue(3)
        #expect(try await reader.list(JobSelection(), limit: 10).count == 3)
        let kind = await errorKind { _ = try await reader.enqueue(.sample, [.sample(video: 9)]) }
        #expect(kind == .unavailable)
        #expect(
            throws: QueueError.self, "a missing queue is not made by reading",
            performing: { try SQLiteQueue(path: test.folder.file("none.db"), readOnly: true) })
        #expect(!FileManager.default.fileExists(atPath: test.folder.file("none.db")))
    }

    @Test func `a full disk is an error of its own, and the queue goes on when there is room`()
        async throws
    {
        let test = try TestQueue()
        try await test.enqueue(10)
        let worker = try await test.worker()
        let claim = try await test.claim(worker)
        // SQLite refuses to grow the file beyond so many pages just as when the disk is full.
        try await test.queue.connections.pool.writeWithoutTransaction { db in
            let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            try db.execute(sql: "PRAGMA max_page_count = \(pages)")
        }
        var answer = Answer.sample("long")
        answer.extraJSON = "\"" + String(repeating: "x", count: 100_000) + "\""
        let kind = await errorKind { [answer] in
            _ = try await test.queue.complete(claim.attempt, answer)
        }
        #expect(kind == .full)
        #expect(try await test.state(claim.job) == .running, "all of it or nothing")
        try await test.queue.connections.pool.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA max_page_count = 1000000")
        }
        #expect(try await test.queue.complete(claim.attempt, answer) == .stored)
    }

    @Test func `waiting for a locked database ends with busy, and nothing is half done`()
        async throws
    {
        let test = try TestQueue { $0.busyTimeout = 0.2 }
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let other = try DatabaseQueue(path: test.path, configuration: configuration)
        try await other.writeWithoutTransaction { try $0.beginTransaction(.immediate) }
        #expect(await errorKind { try await test.enqueue(5) } == .busy)
        #expect(try await test.queue.list(JobSelection(), limit: 9).isEmpty, "readers do not wait")
        try await other.writeWithoutTransaction { try $0.rollback() }
        #expect(try await test.enqueue(5).count == 5)
    }

    @Test func `doctor finds nothing wrong with a new queue`() async throws {
        let test = try TestQueue()
        let findings = try await test.queue.check()
        #expect(findings.allSatisfy { $0.level != .error }, "\(findings)")
        let subjects = findings.map(\.subject)
        #expect(subjects.contains("integrity") && subjects.contains("durability"))
        #expect(findings.contains { $0.detail.contains(SQLiteSafety.versionName) })
    }
}
