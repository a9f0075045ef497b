package import Foundation

/// What a worker and the command line ask of a queue. No SQL above this protocol.
///
/// Every call that changes a claimed job carries the claim's fencing token (`AttemptID`), never only
/// a job id: a worker that was rescued while it still ran cannot finish somebody else's attempt.
/// Every call ends within a deadline of the back end's own and throws `QueueError`.
package protocol QueueBackend: Sendable {
    var capabilities: BackendCapabilities { get }
    /// The file or URL for messages, without a password.
    var title: String { get }

    // MARK: Enqueue

    /// Inserts the items in one transaction. Items whose `dedupeKey` a job that was not cancelled
    /// already has are reported as reused.
    func enqueue(_ batch: BatchSpec, _ items: [NewJob]) async throws -> EnqueueReport
    /// The video last seen at this path with this size and modification time, so that a big
    /// directory is neither hashed nor probed again. `nil` when it must be.
    func knownVideo(
        path: String, sizeBytes: Int64, mtimeNanoseconds: Int64
    ) async throws -> VideoRecord?
    /// `knownVideo` of many files at once, in their order.
    func knownVideos(_ files: [KnownFile]) async throws -> [VideoRecord?]

    // MARK: Workers

    func register(_ worker: WorkerInfo) async throws -> WorkerID
    func unregister(_ worker: WorkerID, reason: String) async throws

    /// Claims the next job that may run now (priority, then `run_at`, then id) and up to `limit - 1`
    /// further jobs of the same video, config and queue that may run now, too, in that order. A job
    /// that crashed a worker before is claimed alone. Empty when there is none.
    func claim(
        _ worker: WorkerID, filter: ClaimFilter, limit: Int, lease: Duration
    ) async throws -> [Claim]
    /// The attempt is worked on from now on; of a worker that dies, started attempts take the blame.
    ///
    /// - Returns: `false` when the lease was lost
    func start(_ attempt: AttemptID) async throws -> Bool
    /// Prolongs the leases of all attempts that a worker has in hand, in one call on a connection of
    /// its own.
    func heartbeat(
        _ worker: WorkerID, _ live: [LiveAttempt], lease: Duration
    ) async throws -> [AttemptID: HeartbeatReply]

    /// Job to `succeeded`, answer inserted, attempt closed: one transaction. Idempotent.
    func complete(_ attempt: AttemptID, _ answer: Answer) async throws -> Finish
    /// Closes the attempt. The job is queued again at `retryAt`, or failed for good when `nil` or when
    /// `max_attempts` is reached.
    func fail(_ attempt: AttemptID, _ failure: Failure, retryAt: Date?) async throws -> Finish
    /// Gives the job back without counting the attempt (interruption).
    func release(_ attempt: AttemptID, reason: String) async throws -> Finish
    /// Notes where the attempt's log stands (`attempts.log_path`).
    func noteLog(_ attempt: AttemptID, path: String) async throws

    /// Takes back jobs of workers that died (their lock is free) or whose lease ran out.
    func rescue() async throws -> [Rescued]
    /// Takes in an answer that a worker wrote to its journal and could not store: it is stored unless
    /// the job has one, is running, was cancelled or is unknown.
    func readmit(_ answer: JournalledAnswer) async throws -> Readmission
    /// Returns when there may be something new to claim, after `limit` at the latest.
    func waitForWork(upTo limit: Duration) async throws

    // MARK: People

    func retry(_ selection: JobSelection) async throws -> Int
    func cancel(_ selection: JobSelection) async throws -> Int
    /// Queued jobs to `held`.
    func hold(_ selection: JobSelection) async throws -> Int
    /// Held jobs to `queued`.
    func unhold(_ selection: JobSelection) async throws -> Int
    /// Sets the priority (-1000 to 1000, higher first) of held and queued jobs.
    func prioritize(_ selection: JobSelection, priority: Int) async throws -> Int
    /// Nothing of this queue is claimed any more; running jobs go on. Makes the queue if need be.
    func pause(queue: String) async throws
    func resume(queue: String) async throws
    func queues() async throws -> [QueueRow]
    /// Workers that have not stopped, and who held a job last.
    func workers() async throws -> [WorkerRow]
    func status(batch: String?) async throws -> [BatchStatus]
    func list(_ selection: JobSelection, limit: Int) async throws -> [JobRow]
    func show(_ job: JobID) async throws -> JobDetail?
    func results(_ selection: JobSelection, limit: Int?) async throws -> [ResultRow]
    /// All attempts at the jobs of a selection, in the order of their ids.
    func attempts(_ selection: JobSelection) async throws -> [AttemptRow]
    /// What is known of the videos of a selection, by job.
    func videos(_ selection: JobSelection) async throws -> [JobID: VideoRecord]
    /// Number of jobs that may still run (queued or running) in the selection.
    func remaining(_ selection: JobSelection) async throws -> Int
    /// Whether nothing is left that a worker with this filter could still be given: no job waiting
    /// (now or after a back-off), and none running, which its worker's death could bring back. Jobs
    /// that are to start at a later time do not count; jobs of paused queues do.
    func isDrained(_ filter: ClaimFilter) async throws -> Bool
    func metrics() async throws -> QueueMetrics

    // MARK: Care

    /// Keeps the store short and fast; called when a worker goes idle and at exit.
    func maintain() async throws
    /// What `doctor` prints about the database.
    func check() async throws -> [Finding]
    /// Deletes what ended before `Retention.before`, answers included. `isDry` only counts.
    func prune(_ retention: Retention, isDry: Bool) async throws -> PruneReport
    /// Writes a consistent copy into a new file; workers may go on meanwhile. Verified before it gets
    /// its name.
    func backup(to path: String) async throws
}

extension QueueBackend {
    package func knownVideo(
        path: String, sizeBytes: Int64, mtimeNanoseconds: Int64
    ) async throws -> VideoRecord? { nil }

    package func knownVideos(_ files: [KnownFile]) async throws -> [VideoRecord?] {
        var videos: [VideoRecord?] = []
        for file in files {
            videos.append(
                try await knownVideo(
                    path: file.path, sizeBytes: file.sizeBytes,
                    mtimeNanoseconds: file.mtimeNanoseconds))
        }
        return videos
    }

    /// One job, or `nil`.
    package func claim(
        _ worker: WorkerID, filter: ClaimFilter, lease: Duration
    ) async throws -> Claim? {
        try await claim(worker, filter: filter, limit: 1, lease: lease).first
    }

    package func waitForWork(upTo limit: Duration) async throws {
        try? await Task.sleep(for: limit)
    }
}
