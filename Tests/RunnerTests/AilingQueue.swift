import Foundation
import Jobs
import Synchronization

/// A real queue whose calls can be made to fail.
final class AilingQueue: QueueBackend {
    private struct State {
        var heartbeatReply: HeartbeatReply?
        var completionFailures = 0
        var losesReply = false
        var completions = 0
        var heartbeats = 0
        var claimError: QueueError?
        var heartbeatError: QueueError?
        var completionError: QueueError?
        var isMultiHost = false
        var live: [Int] = []
        var started: [AttemptID] = []
        var readmitted: [JournalledAnswer] = []
    }

    private let base: SQLiteQueue
    private let state = Mutex(State())

    init(_ base: SQLiteQueue) { self.base = base }

    var heartbeatReply: HeartbeatReply? {
        get { state.withLock { $0.heartbeatReply } }
        set { state.withLock { $0.heartbeatReply = newValue } }
    }
    /// How many calls of `complete` find the database busy.
    var completionFailures: Int {
        get { state.withLock { $0.completionFailures } }
        set { state.withLock { $0.completionFailures = newValue } }
    }
    /// Whether the first completion goes through, and its reply is lost only after the worker has heard
    /// that it does not hold the job any more.
    var losesReply: Bool {
        get { state.withLock { $0.losesReply } }
        set { state.withLock { $0.losesReply = newValue } }
    }
    var claimError: QueueError? {
        get { state.withLock { $0.claimError } }
        set { state.withLock { $0.claimError = newValue } }
    }
    /// What every heartbeat fails with.
    var heartbeatError: QueueError? {
        get { state.withLock { $0.heartbeatError } }
        set { state.withLock { $0.heartbeatError = newValue } }
    }
    /// What every completion fails with.
    var completionError: QueueError? {
        get { state.withLock { $0.completionError } }
        set { state.withLock { $0.completionError = newValue } }
    }
    var isMultiHost: Bool {
        get { state.withLock { $0.isMultiHost } }
        set { state.withLock { $0.isMultiHost = newValue } }
    }
    /// How many attempts each heartbeat was about.
    var live: [Int] { state.withLock { $0.live } }
    /// Attempts in the order in which work on them began.
    var started: [AttemptID] { state.withLock { $0.started } }
    var completions: Int { state.withLock { $0.completions } }
    /// Heartbeats that reached the queue.
    var heartbeats: Int { state.withLock { $0.heartbeats } }

    var capabilities: BackendCapabilities {
        var capabilities = base.capabilities
        capabilities.isMultiHost = isMultiHost
        return capabilities
    }
    var title: String { base.title }

    func claim(
        _ worker: WorkerID, filter: ClaimFilter, limit: Int, lease: Duration
    ) async throws -> [Claim] {
        if let claimError { throw claimError }
        return try await base.claim(worker, filter: filter, limit: limit, lease: lease)
    }

    func start(_ attempt: AttemptID) async throws -> Bool {
        state.withLock { $0.started.append(attempt) }
        return try await base.start(attempt)
    }

    func heartbeat(
        _ worker: WorkerID, _ live: [LiveAttempt], lease: Duration
    ) async throws -> [AttemptID: HeartbeatReply] {
        state.withLock { $0.live.append(live.count) }
        if let heartbeatError { throw heartbeatError }
        if let heartbeatReply {
            return Dictionary(uniqueKeysWithValues: live.map { ($0.attempt, heartbeatReply) })
        }
        let replies = try await base.heartbeat(worker, live, lease: lease)
        state.withLock { $0.heartbeats += 1 }
        return replies
    }

    func complete(_ attempt: AttemptID, _ answer: Answer) async throws -> Finish {
        let fails = state.withLock { state in
            state.completions += 1
            return state.completions <= state.completionFailures
        }
        if let completionError { throw completionError }
        if fails { throw QueueError(.busy, "locked") }
        let finish = try await base.complete(attempt, answer)
        guard losesReply, completions == 1 else { return finish }
        // The second from here on has begun after the completion, and its reply has come.
        let beats = heartbeats
        while heartbeats < beats + 2 { try await Task.sleep(for: .milliseconds(1)) }
        try await Task.sleep(for: .milliseconds(20))
        throw QueueError(.unavailable, "the connection broke")
    }

    func enqueue(_ batch: BatchSpec, _ items: [NewJob]) async throws -> EnqueueReport {
        try await base.enqueue(batch, items)
    }
    func register(_ worker: WorkerInfo) async throws -> WorkerID {
        try await base.register(worker)
    }
    func unregister(_ worker: WorkerID, reason: String) async throws {
        try await base.unregister(worker, reason: reason)
    }
    func fail(_ attempt: AttemptID, _ failure: Failure, retryAt: Date?) async throws -> Finish {
        try await base.fail(attempt, failure, retryAt: retryAt)
    }
    func release(_ attempt: AttemptID, reason: String) async throws -> Finish {
        try await base.release(attempt, reason: reason)
    }
    func rescue() async throws -> [Rescued] { try await base.rescue() }
    func retry(_ selection: JobSelection) async throws -> Int { try await base.retry(selection) }
    func cancel(_ selection: JobSelection) async throws -> Int { try await base.cancel(selection) }
    func status(batch: String?) async throws -> [BatchStatus] {
        try await base.status(batch: batch)
    }
    func list(_ selection: JobSelection, limit: Int) async throws -> [JobRow] {
        try await base.list(selection, limit: limit)
    }
    func show(_ job: JobID) async throws -> JobDetail? { try await base.show(job) }
    func results(_ selection: JobSelection, limit: Int?) async throws -> [ResultRow] {
        try await base.results(selection, limit: limit)
    }
    func remaining(_ selection: JobSelection) async throws -> Int {
        try await base.remaining(selection)
    }
    func attempts(_ selection: JobSelection) async throws -> [AttemptRow] {
        try await base.attempts(selection)
    }
    func videos(_ selection: JobSelection) async throws -> [JobID: VideoRecord] {
        try await base.videos(selection)
    }
    func isDrained(_ filter: ClaimFilter) async throws -> Bool {
        try await base.isDrained(filter)
    }
    func maintain() async throws { try await base.maintain() }
    func check() async throws -> [Finding] { try await base.check() }
    func noteLog(_ attempt: AttemptID, path: String) async throws {
        try await base.noteLog(attempt, path: path)
    }
    func readmit(_ answer: JournalledAnswer) async throws -> Readmission {
        try await base.readmit(answer)
    }
    func hold(_ selection: JobSelection) async throws -> Int { try await base.hold(selection) }
    func unhold(_ selection: JobSelection) async throws -> Int {
        try await base.unhold(selection)
    }
    func prioritize(_ selection: JobSelection, priority: Int) async throws -> Int {
        try await base.prioritize(selection, priority: priority)
    }
    func pause(queue: String) async throws { try await base.pause(queue: queue) }
    func resume(queue: String) async throws { try await base.resume(queue: queue) }
    func queues() async throws -> [QueueRow] { try await base.queues() }
    func workers() async throws -> [WorkerRow] { try await base.workers() }
    func metrics() async throws -> QueueMetrics { try await base.metrics() }
    func prune(_ retention: Retention, isDry: Bool) async throws -> PruneReport {
        try await base.prune(retention, isDry: isDry)
    }
    func backup(to path: String) async throws { try await base.backup(to: path) }
}
