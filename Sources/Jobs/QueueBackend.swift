package import Foundation

/// What a worker and the command line ask of a queue. No SQL above this protocol.
///
/// Every call that changes a claimed job carries the claim's fencing token (`AttemptID`), never only
/// a job id: a worker that was rescued while it still ran cannot finish somebody else's attempt.
/// Calls throw `QueueError`.
package protocol QueueBackend: Sendable {
    // MARK: Enqueue

    /// Inserts the items in one transaction. Items whose `dedupeKey` a job that was not cancelled
    /// already has are reported as reused.
    func enqueue(_ batch: BatchSpec, _ items: [NewJob]) async throws -> EnqueueReport
    /// The video last seen at this path with this size and modification time, so that a big
    /// directory is neither hashed nor probed again. `nil` when it must be.
    func knownVideo(
        path: String, sizeBytes: Int64, mtimeNanoseconds: Int64
    ) async throws -> VideoRecord?

    // MARK: Workers

    func register(_ worker: WorkerInfo) async throws -> WorkerID
    func unregister(_ worker: WorkerID, reason: String) async throws

    /// Claims the next job that may run now (priority, then `run_at`, then id). `nil` when there is
    /// none.
    func claim(_ worker: WorkerID, filter: ClaimFilter, lease: Duration) async throws -> Claim?
    func heartbeat(
        _ attempt: AttemptID, progress: Double?, stage: String?, lease: Duration
    ) async throws -> HeartbeatReply

    /// Job to `succeeded`, answer inserted, attempt closed: one transaction. Idempotent.
    func complete(_ attempt: AttemptID, _ answer: Answer) async throws -> Finish
    /// Closes the attempt. The job is queued again at `retryAt`, or failed for good when `nil` or when
    /// `max_attempts` is reached.
    func fail(_ attempt: AttemptID, _ failure: Failure, retryAt: Date?) async throws -> Finish
    /// Gives the job back without counting the attempt (interruption).
    func release(_ attempt: AttemptID, reason: String) async throws -> Finish

    /// Takes back jobs of workers that died (their lock is free) or whose lease ran out.
    func rescue() async throws -> [Rescued]

    // MARK: People

    func retry(_ selection: JobSelection) async throws -> Int
    func cancel(_ selection: JobSelection) async throws -> Int
    func status(batch: String?) async throws -> [BatchStatus]
    func list(_ selection: JobSelection, limit: Int) async throws -> [JobRow]
    func show(_ job: JobID) async throws -> JobDetail?
    func results(_ selection: JobSelection, limit: Int?) async throws -> [ResultRow]
    /// Number of jobs that may still run (queued or running) in the selection.
    func remaining(_ selection: JobSelection) async throws -> Int

    // MARK: Care

    /// Keeps the store short and fast; called when a worker goes idle and at exit.
    func maintain() async throws
    /// What `doctor` prints about the database.
    func check() async throws -> [Finding]
}

extension QueueBackend {
    package func knownVideo(
        path: String, sizeBytes: Int64, mtimeNanoseconds: Int64
    ) async throws -> VideoRecord? { nil }
}
