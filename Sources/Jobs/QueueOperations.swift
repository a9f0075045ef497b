package import Foundation

/// What a back end can do.
package struct BackendCapabilities: Sendable, Equatable {
    /// Workers may run on several machines.
    package var isMultiHost: Bool
    /// `waitForWork` hears of new jobs at once rather than after its time.
    package var pushesWakeups: Bool
    /// The server's clock decides about leases, so that the workers' clocks do not matter.
    package var usesServerClock: Bool

    package init(isMultiHost: Bool, pushesWakeups: Bool, usesServerClock: Bool) {
        self.isMultiHost = isMultiHost
        self.pushesWakeups = pushesWakeups
        self.usesServerClock = usesServerClock
    }
}

/// A file as the directory shows it.
package struct KnownFile: Sendable, Hashable {
    package var path: String
    package var sizeBytes: Int64
    package var mtimeNanoseconds: Int64

    package init(path: String, sizeBytes: Int64, mtimeNanoseconds: Int64) {
        self.path = path
        self.sizeBytes = sizeBytes
        self.mtimeNanoseconds = mtimeNanoseconds
    }
}

/// One attempt of a heartbeat.
package struct LiveAttempt: Sendable, Equatable {
    package var attempt: AttemptID
    /// 0 to 1; `nil` leaves what stands.
    package var progress: Double?
    package var stage: String?

    package init(_ attempt: AttemptID, progress: Double? = nil, stage: String? = nil) {
        self.attempt = attempt
        self.progress = progress
        self.stage = stage
    }
}

/// One line of an answers journal.
package struct JournalledAnswer: Sendable, Codable, Equatable {
    package var job: JobID
    package var attempt: AttemptID
    /// `jobs.dedupe_key`: finds the job in a database that was restored or moved.
    package var dedupeKey: String
    package var answer: Answer
    /// Unix milliseconds UTC.
    package var writtenAtMS: Int64

    package init(
        job: JobID, attempt: AttemptID, dedupeKey: String, answer: Answer, writtenAtMS: Int64
    ) {
        self.job = job
        self.attempt = attempt
        self.dedupeKey = dedupeKey
        self.answer = answer
        self.writtenAtMS = writtenAtMS
    }
}

package enum Readmission: String, Sendable, Equatable {
    case stored, alreadyAnswered, running, cancelled, unknownJob
}

/// One row of `queues`.
package struct QueueRow: Sendable, Codable, Equatable {
    package var queue: String
    package var isPaused: Bool
    package var queued, running: Int

    package init(queue: String, isPaused: Bool, queued: Int, running: Int) {
        self.queue = queue
        self.isPaused = isPaused
        self.queued = queued
        self.running = running
    }
}

/// A worker for `status`; times ISO 8601 UTC.
package struct WorkerRow: Sendable, Codable, Equatable {
    package var workerID: WorkerID
    package var name, host, device, version: String
    package var pid: Int32
    package var startedAt, lastSeenAt: String
    /// Jobs in hand, the started one first.
    package var jobs: [JobID]

    package init(
        workerID: WorkerID, name: String, host: String, device: String, version: String,
        pid: Int32, startedAt: String, lastSeenAt: String, jobs: [JobID]
    ) {
        self.workerID = workerID
        self.name = name
        self.host = host
        self.device = device
        self.version = version
        self.pid = pid
        self.startedAt = startedAt
        self.lastSeenAt = lastSeenAt
        self.jobs = jobs
    }
}

/// Which jobs `prune` deletes: those of these final states that ended before a time.
package struct Retention: Sendable {
    package var before: Date
    package var states: [JobState] = [.succeeded, .failed, .cancelled]
    package var batch: String?

    package init(
        before: Date, states: [JobState] = [.succeeded, .failed, .cancelled], batch: String? = nil
    ) {
        self.before = before
        self.states = states
        self.batch = batch
    }
}

/// Rows that `prune` deleted, or would.
package struct PruneReport: Sendable, Codable, Equatable {
    package var jobs, attempts, answers, batches, videos, configs, workers, events: Int

    package init(
        jobs: Int = 0, attempts: Int = 0, answers: Int = 0, batches: Int = 0, videos: Int = 0,
        configs: Int = 0, workers: Int = 0, events: Int = 0
    ) {
        self.jobs = jobs
        self.attempts = attempts
        self.answers = answers
        self.batches = batches
        self.videos = videos
        self.configs = configs
        self.workers = workers
        self.events = events
    }
}
