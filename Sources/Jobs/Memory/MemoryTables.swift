/// All that a `MemoryQueue` holds. Rows are found by looking through them.
struct MemoryTables {
    var batches: [Int64: MemoryBatch] = [:]
    var configs: [Int64: ConfigRecord] = [:]
    var videos: [Int64: VideoRecord] = [:]
    var workers: [WorkerID: MemoryWorker] = [:]
    var queues: [String: MemoryQueueRow] = ["default": MemoryQueueRow()]
    var jobs: [JobID: MemoryJob] = [:]
    var attempts: [AttemptID: MemoryAttempt] = [:]
    var answers: [JobID: MemoryAnswer] = [:]
    var events: [MemoryEvent] = []

    /// Counts transactions, for those that wait for work.
    var changes = 0
    private var lastID: Int64 = 0

    /// Of any table, never twice.
    mutating func newID() -> Int64 {
        lastID += 1
        return lastID
    }

    var jobsInOrder: [MemoryJob] { jobs.values.sorted { $0.id < $1.id } }

    func attempts(of job: JobID) -> [MemoryAttempt] {
        attempts.values.filter { $0.job == job }.sorted { $0.id < $1.id }
    }

    /// The job that this attempt holds.
    func holding(_ attempt: AttemptID) -> MemoryJob? {
        guard let job = attempts[attempt].flatMap({ jobs[$0.job] }), job.holder == attempt else {
            return nil
        }
        return job
    }

    /// Adds to the audit trail.
    mutating func record(_ kind: String, job: JobID, attempt: AttemptID? = nil, _ now: Int64) {
        events.append(
            MemoryEvent(id: newID(), at: now, job: job, attempt: attempt, kind: kind))
    }
}
