import Foundation
import GRDB
import Glibc
import Jobs
import QueueTestSupport
import Testing

/// The back ends that a test runs on.
enum StoreKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case sqlite, postgres
    var testDescription: String { rawValue }
}

/// A queue of a test's own, gone when the test ends, and a folder for the files of its workers.
final class TestStore: Sendable {
    let kind: StoreKind
    let folder: TestFolder
    /// As `--queue` takes it.
    let location: String
    let queue: any QueueStore
    private let database: PostgresDatabase?
    private let tablespace: String?

    /// - Parameter place: folder where the data goes, unless beside the workers' files or where the
    ///   server has its own
    /// - Returns: `nil`, with the reason printed, where the back end cannot be had
    static func make(
        _ kind: StoreKind, for test: String, at place: String? = nil
    ) async throws -> TestStore? {
        let folder = try TestFolder()
        switch kind {
        case .sqlite:
            let path = "\(place ?? folder.path)/queue.db"
            return TestStore(kind, folder, path, try SQLiteQueue(path: path))
        case .postgres:
            guard PostgresServer.isAvailable else {
                Reliability.skip("\(test) on PostgreSQL", PostgresServer.reason)
                return nil
            }
            let database = try PostgresDatabase()
            let tablespace = place.map { _ in "\(database.name)_space" }
            if let place, let tablespace {
                try await makeTablespace(tablespace, at: place, for: database)
            }
            return TestStore(
                kind, folder, database.url, try PostgresQueue(url: database.url), database,
                tablespace)
        }
    }

    private init(
        _ kind: StoreKind, _ folder: TestFolder, _ location: String, _ queue: any QueueStore,
        _ database: PostgresDatabase? = nil, _ tablespace: String? = nil
    ) {
        self.kind = kind
        self.folder = folder
        self.location = location
        self.queue = queue
        self.database = database
        self.tablespace = tablespace
    }

    deinit {
        guard let database, let tablespace else { return }
        // As the database's own end, which comes too late for its tablespace.
        let server = database.server.url
        let sql = ["DROP DATABASE \(database.name) WITH (FORCE)", "DROP TABLESPACE \(tablespace)"]
        for statement in sql { _ = try? Self.psql(server, statement) }
    }

    /// The database's tables go to a filesystem of their own, its log stays where the server is.
    private static func makeTablespace(
        _ name: String, at place: String, for database: PostgresDatabase
    ) async throws {
        let path = "\(place)/\(name)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        if let owner = getpwnam("postgres") {
            for folder in [place, path] {
                chown(folder, owner.pointee.pw_uid, owner.pointee.pw_gid)
            }
        }
        try psql(database.server.url, "CREATE TABLESPACE \(name) LOCATION '\(path)'")
        try psql(
            database.server.url,
            "ALTER DATABASE \(database.name) SET default_tablespace = \(name)")
    }

    /// A statement that must stand alone.
    private static func psql(_ url: String, _ sql: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/psql")
        process.arguments = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, url]
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw QueueError(.unavailable, "psql ended with \(process.terminationStatus): \(sql)")
        }
    }

    /// `doctor` has nothing to say, nor has the database itself.
    func expectClean(location: SourceLocation = #_sourceLocation) async throws {
        let findings = try await queue.check().filter { $0.level == .error }
        #expect(findings.isEmpty, "\(findings)", sourceLocation: location)
        guard kind == .sqlite else { return }
        let file = try DatabaseQueue(path: self.location)
        let (integrity, keys) = try await file.read { db in
            (
                try String.fetchAll(db, sql: "PRAGMA integrity_check"),
                try Int.fetchOne(db, sql: "SELECT count(*) FROM pragma_foreign_key_check")
            )
        }
        #expect(integrity == ["ok"], sourceLocation: location)
        #expect(keys == 0, sourceLocation: location)
    }

    // MARK: Jobs

    /// Enqueues one question about each of some videos, in one batch.
    @discardableResult
    func enqueue(
        _ videos: some Sequence<Int>, questions: [String] = ["What?"], prefix: String = "clip",
        _ change: (Int, inout NewJob) -> Void = { _, _ in }
    ) async throws -> [JobID] {
        let config = ConfigRecord(
            fingerprint: "storm", model: "stub", modelSHA256: "stub", optionsJSON: "{}")
        var jobs: [NewJob] = []
        for number in videos {
            for question in questions {
                var job = NewJob(
                    video: VideoRecord(
                        contentID: "sha256:\(prefix)\(number)",
                        path: "/storm/\(prefix)-\(number).mp4",
                        sizeBytes: 1, mtimeNanoseconds: 1),
                    config: config, question: question, maxCrashes: 1000)
                change(number, &job)
                jobs.append(job)
            }
        }
        let spec = BatchSpec(name: "storm", source: "-", specJSON: "{}")
        return try await queue.enqueue(spec, jobs).inserted
    }

    /// Whether nobody holds up writers now; a process that was stopped amid a transaction does.
    func canWrite() async throws -> Bool {
        guard kind == .sqlite else { return true }
        var configuration = Configuration()
        configuration.busyMode = .timeout(0.3)
        let file = try DatabaseQueue(path: location, configuration: configuration)
        do {
            try await file.writeWithoutTransaction { db in
                try db.execute(sql: "PRAGMA wal_autocheckpoint = 0")
                try db.beginTransaction(.immediate)
                try db.rollback()
            }
            return true
        } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
            return false
        }
    }

    /// Ends a connection of some worker to the server.
    func cutConnection() async throws -> Bool {
        guard let database else { return false }
        let ended = try database.value(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
                AND backend_type = 'client backend' ORDER BY random() LIMIT 1
            """)
        return ended == "t"
    }

    func remaining() async throws -> Int { try await queue.remaining(JobSelection()) }
}
