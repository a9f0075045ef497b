import Foundation
import GRDB
import Jobs
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

    /// - Parameter place: where an SQLite file goes, unless beside the workers' files
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
            Reliability.skip("\(test) on PostgreSQL", "this build has no PostgreSQL")
            return nil
        }
    }

    private init(
        _ kind: StoreKind, _ folder: TestFolder, _ location: String, _ queue: any QueueStore
    ) {
        self.kind = kind
        self.folder = folder
        self.location = location
        self.queue = queue
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
                        contentID: "sha256:\(prefix)\(number)", path: "/storm/\(prefix)-\(number).mp4",
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
    func cutConnection() async throws -> Bool { false }

    /// Starts the server again when it has ended (its disk was full).
    func keepServing() async throws {}

    func remaining() async throws -> Int { try await queue.remaining(JobSelection()) }
}
