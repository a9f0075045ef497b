import Foundation
import GRDB
import Jobs
import Synchronization

@testable import Runner

/// A queue in a folder of its own, with jobs that need no files.
struct QueueFixture {
    let folder: URL
    let queue: SQLiteQueue

    init(environment: QueueEnvironment = QueueEnvironment()) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "runner-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        queue = try SQLiteQueue(path: folder.path + "/q.db", environment: environment)
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    /// Jobs with the questions "1", "2" …
    @discardableResult
    func enqueue(
        _ count: Int, maxAttempts: Int = 3, timeout: Duration = .seconds(3600)
    ) async throws -> [JobID] {
        let jobs = (1...count).map { number in
            NewJob(
                video: VideoRecord(
                    contentID: "sha256:\(number)", path: "/videos/\(number).mp4", sizeBytes: 1,
                    mtimeNanoseconds: 1),
                config: ConfigRecord(
                    fingerprint: "f", model: "embedded", modelSHA256: "m", optionsJSON: "{}"),
                question: "\(number)", maxAttempts: maxAttempts, timeout: timeout)
        }
        let batch = BatchSpec(name: "test", source: "-", specJSON: "{}")
        return try await queue.enqueue(batch, jobs).inserted
    }

    /// Jobs about one video, with the questions "1", "2" …
    @discardableResult
    func enqueueGroup(
        _ count: Int, video: String = "shared", maxAttempts: Int = 3,
        timeout: Duration = .seconds(3600)
    ) async throws -> [JobID] {
        let jobs = (1...count).map { number in
            NewJob(
                video: VideoRecord(
                    contentID: "sha256:\(video)", path: "/videos/\(video).mp4", sizeBytes: 1,
                    mtimeNanoseconds: 1),
                config: ConfigRecord(
                    fingerprint: "f", model: "embedded", modelSHA256: "m", optionsJSON: "{}"),
                question: "\(number)", maxAttempts: maxAttempts, timeout: timeout)
        }
        let batch = BatchSpec(name: "test", source: "-", specJSON: "{}")
        return try await queue.enqueue(batch, jobs).inserted
    }

    /// What the queue knows of logs, in the order of attempts.
    func logPaths() throws -> [String] {
        try DatabaseQueue(path: queue.path).read {
            try String.fetchAll(
                $0,
                sql: "SELECT log_path FROM attempts WHERE log_path IS NOT NULL ORDER BY attempt_id")
        }
    }

    func states() async throws -> [JobState] {
        try await queue.list(JobSelection(), limit: 1000).map(\.state)
    }
}

/// Prepares and answers as the test says.
struct StubEngine: JobEngine {
    var prepare: @Sendable (Claim) async throws -> String = { $0.question }
    /// `nil` prepares each by itself.
    var prepareGroup: (@Sendable ([Claim]) async throws -> [String])?
    var finishGroup: @Sendable (String) -> Void = { _ in }
    var answer: @Sendable (Claim, String) async throws -> String = { "answer to \($1)" }

    func prepare(_ claim: Claim) async throws -> String { try await prepare(claim) }

    func prepare(group: [Claim]) async throws -> [Result<String, any Error>] {
        if let prepareGroup { return try await prepareGroup(group).map { .success($0) } }
        var results: [Result<String, any Error>] = []
        for claim in group {
            do { results.append(.success(try await prepare(claim))) } catch {
                results.append(.failure(error))
            }
        }
        return results
    }

    func finish(group prepared: String) async { finishGroup(prepared) }

    func answer(
        _ claim: Claim, _ prepared: String,
        progress: @escaping @Sendable (String, Double) -> Void
    ) async throws -> Answer {
        progress("prefill", 0.5)
        return .stub(try await answer(claim, prepared))
    }
}

extension Answer {
    static func stub(_ text: String) -> Answer {
        Answer(
            answer: text, finishReason: .stop, framesUsed: 1, visualTokens: 1, promptTokens: 1,
            outputTokens: 1, attnFLOPsDense: 2, attnFLOPsUsed: 1, llmFLOPsDense: 2,
            llmFLOPsUsed: 1, kvCacheBytesDense: 2, kvCacheBytesUsed: 1, peakHostBytes: 1,
            totalMS: 1, warnings: [])
    }
}

/// Time that stands still until the test moves it.
final class ManualClock: Sendable {
    private struct State {
        var seconds: Double = 1_000_000
        var isHeld = false
        var sleepers: [Int: (seconds: Double, until: Double, wake: Latch<Void>)] = [:]
        var next = 0
    }
    private let state = Mutex(State())

    var seconds: Double { state.withLock { $0.seconds } }

    /// While held, the time does not move whatever `run` does.
    func hold(_ isHeld: Bool) { state.withLock { $0.isHeld = isHeld } }

    func advance(by seconds: Double) {
        let due = state.withLock { state in
            if state.isHeld { return [Latch<Void>]() }
            state.seconds += seconds
            let due = state.sleepers.filter { $0.value.until <= state.seconds }
            for id in due.keys { state.sleepers[id] = nil }
            return due.values.map(\.wake)
        }
        for wake in due { wake.set(()) }
    }

    /// Whether somebody waits who asked for exactly this long.
    func isSleeping(for seconds: Double) -> Bool {
        state.withLock { $0.sleepers.values.contains { $0.seconds == seconds } }
    }

    private func sleep(_ duration: Duration) async {
        let wake = Latch<Void>()
        let id = state.withLock { state in
            defer { state.next += 1 }
            let seconds = duration / .seconds(1)
            state.sleepers[state.next] = (seconds, state.seconds + seconds, wake)
            return state.next
        }
        _ = await wake.wait()
        state.withLock { _ = $0.sleepers.removeValue(forKey: id) }
    }

    var runnerClock: RunnerClock {
        RunnerClock(
            now: { Date(timeIntervalSince1970: self.seconds) }, sleep: { await self.sleep($0) })
    }

    var environment: QueueEnvironment {
        var environment = QueueEnvironment()
        environment.now = { Int64(self.seconds * 1000) }
        return environment
    }

    /// Moves on, second after second, until the work is done.
    func run<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) async throws -> T {
        let work = Task { try await body() }
        let isDone = Latch<Void>()
        Task {
            _ = await work.result
            isDone.set(())
        }
        while isDone.value == nil {
            advance(by: 1)
            try await Task.sleep(for: .milliseconds(2))
        }
        return try await work.value
    }
}

/// Remembers what a run told.
final class RecordingObserver: RunObserver {
    private let events = Mutex<[RunEvent]>([])
    private let onFinish: @Sendable () -> Void

    init(onFinish: @escaping @Sendable () -> Void = {}) { self.onFinish = onFinish }

    func handle(_ event: RunEvent) {
        events.withLock { $0.append(event) }
        if case .finished = event { onFinish() }
    }

    var notices: [String] {
        events.withLock { events in
            events.compactMap { if case .notice(let text) = $0 { text } else { nil } }
        }
    }

    var outcomes: [RunEvent.Outcome] {
        events.withLock { events in
            events.compactMap { if case .finished(_, let outcome) = $0 { outcome } else { nil } }
        }
    }
}

extension RunnerOptions {
    /// Short waits, ending when the queue is empty.
    static var quick: RunnerOptions {
        var options = RunnerOptions()
        options.drain = true
        options.pollInterval = .milliseconds(20)
        options.heartbeat = .milliseconds(20)
        return options
    }
}

func runner(
    _ queue: any QueueBackend, _ engine: StubEngine, _ options: RunnerOptions = .quick,
    clock: RunnerClock = .system, observer: (any RunObserver)? = nil
) -> JobRunner<StubEngine> {
    JobRunner(
        queue: queue, engine: engine, worker: .current(device: "cpu", version: "test"),
        options: options, clock: clock, observer: observer)
}

/// Ends only by cancellation, as an engine does at its next progress point.
func untilCancelled() async throws -> String {
    while true { try await Task.sleep(for: .seconds(60)) }
}
