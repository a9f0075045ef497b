package import Foundation

/// Who works. `host` and `bootID` decide whether another process can test this worker's lock.
package struct WorkerInfo: Sendable {
    package var host: String
    package var bootID: String
    package var pid: Int32
    package var device: String
    package var version: String

    package init(host: String, bootID: String, pid: Int32, device: String, version: String) {
        self.host = host
        self.bootID = bootID
        self.pid = pid
        self.device = device
        self.version = version
    }
}

/// Which queued jobs a worker takes.
package struct ClaimFilter: Sendable {
    /// Names of queues; empty: all of them.
    package var queues: [String] = []
    /// Claim only jobs of this model (`configs.model_sha256`); `nil` claims any.
    package var modelSHA256: String?

    package init(queues: [String] = [], modelSHA256: String? = nil) {
        self.queues = queues
        self.modelSHA256 = modelSHA256
    }
}

/// A claimed job: all that a worker needs to answer it.
package struct Claim: Sendable {
    package var job: JobID
    package var attempt: AttemptID
    /// 1 for the first counted attempt.
    package var number: Int
    package var maxAttempts: Int
    package var batch: String
    package var video: VideoRecord
    package var model: String
    package var modelSHA256: String
    package var optionsJSON: String
    package var question: String
    package var choices: [String]?
    package var expected: String?
    package var timeout: Duration
    package var leaseUntil: Date
    /// `jobs.dedupe_key`: sha256 of content, question, choices and config.
    package var dedupeKey: String
    package var customID: String?
    package var queue: String
    /// Workers that died of this job so far.
    package var crashes: Int

    package init(
        job: JobID, attempt: AttemptID, number: Int, maxAttempts: Int, batch: String,
        video: VideoRecord, model: String, modelSHA256: String, optionsJSON: String,
        question: String, choices: [String]? = nil, expected: String? = nil, timeout: Duration,
        leaseUntil: Date, dedupeKey: String, customID: String? = nil, queue: String = "default",
        crashes: Int = 0
    ) {
        self.job = job
        self.attempt = attempt
        self.number = number
        self.maxAttempts = maxAttempts
        self.batch = batch
        self.video = video
        self.model = model
        self.modelSHA256 = modelSHA256
        self.optionsJSON = optionsJSON
        self.question = question
        self.choices = choices
        self.expected = expected
        self.timeout = timeout
        self.leaseUntil = leaseUntil
        self.dedupeKey = dedupeKey
        self.customID = customID
        self.queue = queue
        self.crashes = crashes
    }
}

/// `lost`: the job is no longer this attempt's; stop computing it.
package enum HeartbeatReply: Sendable, Equatable {
    case ok(leaseUntil: Date)
    case cancelRequested, lost
}

/// `alreadyStored`: the same call of the same attempt went through before (its reply was lost).
package enum Finish: Sendable, Equatable { case stored, alreadyStored, leaseLost }

/// A job taken back from a worker that died or lost its lease.
package struct Rescued: Sendable {
    /// `quarantined`: failed for good, its crash limit is reached. `cancelled`: someone had asked.
    package enum Fate: Sendable, Equatable { case requeued, quarantined, cancelled }
    package var job: JobID
    package var attempt: AttemptID
    package var fate: Fate

    package init(job: JobID, attempt: AttemptID, fate: Fate) {
        self.job = job
        self.attempt = attempt
        self.fate = fate
    }
}
