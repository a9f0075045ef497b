// Rows of `MemoryTables`. Times: Unix milliseconds UTC.

struct MemoryBatch {
    var spec: BatchSpec
    var createdAt: Int64
}

struct MemoryQueueRow {
    var pausedAt: Int64?
    var maxRunning: Int?
}

struct MemoryWorker {
    var id: WorkerID
    var name: String
    var info: WorkerInfo
    var startedAt, lastSeenAt: Int64
    var stop: (at: Int64, reason: String)?
    /// Whether its lock is held; only of this host can it be known.
    var isAlive = true
}

struct MemoryJob {
    /// A running job has a token and a lease, no other has them.
    enum Phase {
        case held, queued, succeeded, failed, cancelled
        case running(AttemptID, leaseUntil: Int64, isUnwanted: Bool)
    }

    var id: JobID
    var batch, video, config: Int64
    var item: NewJob
    var dedupeKey: String
    var priority: Int
    var phase: Phase
    var runAt: Int64
    var attemptsMade = 0
    var crashes = 0
    var progress: Double?
    var stage: String?
    /// Without its stage, which is the job's.
    var failure: Failure?
    var createdAt: Int64
    var startedAt: Int64?
    var finishedAt: Int64?

    var state: JobState {
        switch phase {
        case .held: .held
        case .queued: .queued
        case .running: .running
        case .succeeded: .succeeded
        case .failed: .failed
        case .cancelled: .cancelled
        }
    }

    /// The fencing token.
    var holder: AttemptID? {
        guard case .running(let attempt, _, _) = phase else { return nil }
        return attempt
    }

    var leaseUntil: Int64? {
        guard case .running(_, let end, _) = phase else { return nil }
        return end
    }

    /// Runs, and somebody asked for it to be cancelled.
    var isUnwanted: Bool {
        guard case .running(_, _, let isUnwanted) = phase else { return false }
        return isUnwanted
    }
}

struct MemoryAttempt {
    var id: AttemptID
    var job: JobID
    var worker: WorkerID
    var number: Int
    var startedAt, heartbeatAt: Int64
    var begunAt: Int64?
    var endedAt: Int64?
    var outcome: String?
    var errorClass: ErrorClass?
    var errorCode, errorMessage, stage: String?
    var logPath: String?
}

struct MemoryAnswer {
    var attempt: AttemptID
    var answer: Answer
    var recordedAt: Int64
}

struct MemoryEvent {
    var id: Int64
    var at: Int64
    var job: JobID
    var attempt: AttemptID?
    var kind: String
}
