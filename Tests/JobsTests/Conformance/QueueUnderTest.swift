import Foundation
import GRDB
import Testing

@testable import Jobs

/// An empty queue of some back end, a clock that stands still until it is moved, and what a test needs
/// beyond the protocol.
struct QueueUnderTest: Sendable {
    let queue: any QueueBackend
    let clock: TestClock
    /// Whether a dead worker of this host is known at once; else only its lease tells.
    let seesLives: Bool
    /// The same queue as another process would open it.
    let another: @Sendable () async throws -> any QueueBackend
    /// An empty queue of the same back end and clock.
    let sibling: @Sendable () async throws -> any QueueBackend
    /// What the end of its process does to a worker: nothing but to free its lock.
    let endLife: @Sendable (WorkerID) async throws -> Void
    /// `queues.max_running`, which no call sets.
    let limit: @Sendable (_ queue: String, _ count: Int?) async throws -> Void
    let close: @Sendable () async throws -> Void
}

extension QueueUnderTest {
    static func memory(
        seesLives: Bool = true, clock: TestClock = TestClock()
    ) throws -> QueueUnderTest {
        let queue = MemoryQueue(seesLives: seesLives) { clock.now }
        return QueueUnderTest(
            queue: queue, clock: clock, seesLives: seesLives, another: { queue },
            sibling: { MemoryQueue(seesLives: seesLives) { clock.now } },
            endLife: { queue.endLife(of: $0) }, limit: { queue.limit(queue: $0, toRunning: $1) },
            close: {})
    }

    static func sqlite(
        _ change: @escaping @Sendable (inout QueueEnvironment) -> Void = { _ in }
    ) throws -> QueueUnderTest {
        let folder = try TemporaryFolder(inMemory: true)
        let clock = TestClock()
        let open = { @Sendable (name: String) in
            var environment = QueueEnvironment()
            environment.now = { clock.now }
            environment.ballastBytes = 0
            change(&environment)
            return try SQLiteQueue(path: folder.file(name), environment: environment)
        }
        return .sqlite(try open("q.db"), clock, keeping: folder, another: { try open($0) })
    }

    /// - Parameter another: opens another object on the file of this name beside the queue's
    static func sqlite(
        _ queue: SQLiteQueue, _ clock: TestClock, keeping folder: TemporaryFolder,
        another: @escaping @Sendable (String) throws -> SQLiteQueue
    ) -> QueueUnderTest {
        QueueUnderTest(
            queue: queue, clock: clock, seesLives: true, another: { try another("q.db") },
            sibling: { try another("sibling.db") }, endLife: { queue.dropLock($0) },
            limit: { name, count in
                try await queue.write { db, _ in
                    try db.execute(
                        sql: """
                            INSERT INTO queues (queue, max_running) VALUES (?1, ?2)
                            ON CONFLICT (queue) DO UPDATE SET max_running = ?2
                            """, arguments: [name, count])
                }
            }, close: { withExtendedLifetime(folder) {} })
    }
}

// MARK: What nearly every test does

extension QueueUnderTest {
    /// Jobs of one question each about videos 0 ..< count.
    @discardableResult
    func enqueue(_ count: Int, change: (inout NewJob) -> Void = { _ in }) async throws -> [JobID] {
        try await enqueue(
            (0..<count).map { index in
                var job = NewJob.sample(video: index)
                change(&job)
                return job
            })
    }

    /// - Returns: the job of each item, in order; all of them must be new
    @discardableResult
    func enqueue(_ jobs: [NewJob]) async throws -> [JobID] {
        let report = try await queue.enqueue(.sample, jobs)
        try #require(report.inserted.count + report.rejected.count == jobs.count)
        return (report.inserted + report.rejected).sorted()
    }

    /// Questions about one video, which are claimed together.
    func enqueueGroup(_ count: Int, change: (inout NewJob) -> Void = { _ in }) async throws
        -> [JobID]
    {
        try await enqueue(
            (0..<count).map { index in
                var job = NewJob.sample(video: 0, question: "Question \(index)?")
                change(&job)
                return job
            })
    }

    func worker() async throws -> WorkerID {
        try await queue.register(.current(device: "cpu", version: "test"))
    }

    /// A worker of another machine, of which only the lease can tell.
    func farWorker() async throws -> WorkerID {
        try await queue.register(
            WorkerInfo(host: "elsewhere", bootID: "b", pid: 1, device: "cuda:0", version: "test"))
    }

    func claim(_ worker: WorkerID) async throws -> Claim {
        try #require(try await queue.claim(worker, filter: ClaimFilter(), lease: .seconds(60)))
    }

    func claims(
        _ worker: WorkerID, limit: Int = 100, filter: ClaimFilter = ClaimFilter()
    ) async throws -> [Claim] {
        try await queue.claim(worker, filter: filter, limit: limit, lease: .seconds(60))
    }

    /// Claims one after another until there is none.
    func drain(_ worker: WorkerID, filter: ClaimFilter = ClaimFilter()) async throws -> [JobID] {
        var jobs: [JobID] = []
        while let claim = try await claims(worker, limit: 1, filter: filter).first {
            jobs.append(claim.job)
        }
        return jobs
    }

    /// The worker dies, and the queue can know it.
    func kill(_ worker: WorkerID) async throws {
        try await endLife(worker)
        if !seesLives { clock.advance(seconds: 61) }
    }

    @discardableResult
    func beat(
        _ worker: WorkerID, _ live: LiveAttempt...
    ) async throws -> [AttemptID: HeartbeatReply] {
        try await queue.heartbeat(worker, live, lease: .seconds(60))
    }

    func row(_ job: JobID) async throws -> JobRow {
        try #require(try await queue.show(job)).job
    }

    func state(_ job: JobID) async throws -> JobState { try await row(job).state }

    func states(_ jobs: [JobID]) async throws -> [JobState] {
        var states: [JobState] = []
        for job in jobs { states.append(try await state(job)) }
        return states
    }

    func outcomes(_ job: JobID) async throws -> [String?] {
        try #require(try await queue.show(job)).attempts.map(\.outcome)
    }

    func status() async throws -> BatchStatus {
        try #require(try await queue.status(batch: "night").first)
    }

    /// One second from now.
    var soon: Date { Date(milliseconds: clock.now + 1000) }

    /// A job in each state, by way of the calls that lead there.
    func job(in state: JobState, video: Int = 0) async throws -> JobID {
        var item = NewJob.sample(video: video)
        item.held = state == .held
        // First of all that may be claimed.
        item.priority = state == .held || state == .queued ? 0 : 1000
        let job = try await enqueue([item])[0]
        switch state {
        case .held, .queued: break
        case .cancelled: _ = try await queue.cancel(.job(job))
        case .running: _ = try await claim(try await worker())
        case .succeeded:
            _ = try await queue.complete(try await claim(worker()).attempt, .sample("two"))
        case .failed:
            _ = try await queue.fail(
                try await claim(worker()).attempt, .sample(.internal), retryAt: nil)
        }
        try #require(try await self.state(job) == state)
        return job
    }
}

extension JobSelection {
    static func job(_ id: JobID) -> JobSelection { jobs([id]) }

    static func jobs(_ ids: [JobID]) -> JobSelection { with { $0.ids = ids.map { $0...$0 } } }

    static func with(_ change: (inout JobSelection) -> Void) -> JobSelection {
        var selection = JobSelection()
        change(&selection)
        return selection
    }
}
