import Foundation
import GRDB
import Synchronization
import Testing

@testable import Jobs

/// A folder that goes when the test ends.
final class TemporaryFolder: Sendable {
    let path: String

    /// - Parameter inMemory: for tests that make many queues and are not about the disk
    init(inMemory: Bool = false) throws {
        let memory = "/dev/shm/"
        let isThere = FileManager.default.isWritableFile(atPath: memory)
        path =
            (inMemory && isThere ? memory : NSTemporaryDirectory())
            + "zipvl-jobs-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    func write(_ text: String, to name: String) throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: file(name)))
        return file(name)
    }
}

/// A clock that a test moves.
final class TestClock: Sendable {
    private static let start: Int64 = 1_700_000_000_000
    private let time = Mutex(start)
    var now: Int64 { time.withLock { $0 } }
    func advance(seconds: Int64) { advance(milliseconds: seconds * 1000) }
    func reset() { time.withLock { $0 = Self.start } }
    func advance(milliseconds: Int64) { time.withLock { $0 += milliseconds } }
}

/// A queue file of its own, with a clock that stands still until it is moved.
struct TestQueue {
    let folder: TemporaryFolder
    let clock = TestClock()
    let queue: SQLiteQueue

    init(_ change: (inout QueueEnvironment) -> Void = { _ in }) throws {
        folder = try TemporaryFolder()
        queue = try Self.open(folder, clock, change)
    }

    var path: String { folder.file("q.db") }

    /// A second object on the same file, as another process would have.
    func another(_ change: (inout QueueEnvironment) -> Void = { _ in }) throws -> SQLiteQueue {
        try Self.open(folder, clock, change)
    }

    private static func open(
        _ folder: TemporaryFolder, _ clock: TestClock, _ change: (inout QueueEnvironment) -> Void
    ) throws -> SQLiteQueue {
        var environment = QueueEnvironment()
        environment.now = { clock.now }
        change(&environment)
        return try SQLiteQueue(path: folder.file("q.db"), environment: environment)
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

    func worker(_ device: String = "cpu") async throws -> WorkerID {
        try await queue.register(.current(device: device, version: "test"))
    }

    func claim(_ worker: WorkerID) async throws -> Claim {
        try #require(try await queue.claim(worker, filter: ClaimFilter(), lease: .seconds(60)))
    }

    /// Up to `limit` jobs of one video.
    func claims(
        _ worker: WorkerID, _ limit: Int, filter: ClaimFilter = ClaimFilter()
    ) async throws -> [Claim] {
        try await queue.claim(worker, filter: filter, limit: limit, lease: .seconds(60))
    }

    /// One heartbeat of the claim, for another 60 s.
    @discardableResult
    func beat(
        _ claim: Claim, progress: Double? = nil, stage: String? = nil
    ) async throws -> HeartbeatReply? {
        let worker = try await value(
            "SELECT worker_id FROM attempts WHERE attempt_id = \(claim.attempt)",
            as: WorkerID.self)
        let live = LiveAttempt(claim.attempt, progress: progress, stage: stage)
        return try await queue.heartbeat(worker ?? 0, [live], lease: .seconds(60))[claim.attempt]
    }

    /// Findings of `doctor` that are not well.
    func findings() async throws -> [Finding] {
        try await queue.check().filter { $0.level != .ok }
    }

    func state(_ job: JobID) async throws -> JobState? {
        try await queue.show(job)?.job.state
    }

    /// One value of the database.
    func value<Value: DatabaseValueConvertible & Sendable>(
        _ sql: String, as: Value.Type = Value.self
    ) async throws -> Value? {
        try await queue.read { try Value.fetchOne($0, sql: sql) }
    }

    func execute(_ sql: String) async throws {
        try await queue.write { db, _ in try db.execute(sql: sql) }
    }
}

extension BatchSpec {
    static let sample = BatchSpec(name: "night", source: "/videos", specJSON: "{}")
}

extension NewJob {
    static func sample(video: Int, question: String = "How many cars?") -> NewJob {
        NewJob(
            video: VideoRecord(
                contentID: "sha256:\(video)", path: "/videos/\(video).mp4", sizeBytes: 100,
                mtimeNanoseconds: 5),
            config: .sample, question: question)
    }
}

extension ConfigRecord {
    static let sample = ConfigRecord(
        fingerprint: "f1", model: "embedded", modelSHA256: "m1",
        optionsJSON: #"""
            {"method":"zipvl","tau":0.975,"ffn":"all","kv":"discard","premerge":"none",\#
            "sampling":"time"}
            """#)
}

extension Answer {
    static func sample(_ text: String) -> Answer {
        Answer(
            answer: text, choice: "B", correct: true, finishReason: .stop, framesUsed: 64,
            visualTokens: 9216, promptTokens: 9300, outputTokens: 12, keptTokenRatioMean: 0.25,
            attnFLOPsDense: 4e14, attnFLOPsUsed: 1e14, attnFLOPsSavedPctPaper: 93.75,
            llmFLOPsDense: 8e15, llmFLOPsUsed: 5e15, kvCacheBytesDense: 1000,
            kvCacheBytesUsed: 250, peakHostBytes: 3 << 20, peakDeviceBytes: 5 << 19,
            decodeVideoMS: 1, visionMS: 2, prefillMS: 3, generateMS: 4, totalMS: 11.5,
            warnings: ["frame 3 missing", "frame 9 missing"],
            substitutedFrames: [
                SubstitutedFrame(row: 1, requested: 3, shown: 2),
                SubstitutedFrame(row: 4, requested: 9, shown: 10),
            ], extraJSON: #"{"kept":[1,2]}"#)
    }
}

extension Failure {
    static func sample(_ errorClass: ErrorClass) -> Failure {
        Failure(errorClass: errorClass, code: "broken", message: "it broke", stage: "prefill")
    }
}

/// The kind of the `QueueError` that `body` throws, `nil` when it throws none.
func errorKind(_ body: () async throws -> Void) async -> QueueError.Kind? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? QueueError)?.kind
    }
}
