/// Counts of one batch name. `ready`, `scheduled` and `retrying` are queued jobs; `orphaned` are
/// running ones whose lease ran out.
package struct BatchStatus: Sendable, Codable {
    package var batch: String
    package var held, ready, scheduled, retrying, running, orphaned: Int
    package var succeeded, failed, cancelled: Int

    package init(
        batch: String, held: Int, ready: Int, scheduled: Int, retrying: Int, running: Int,
        orphaned: Int, succeeded: Int, failed: Int, cancelled: Int
    ) {
        self.batch = batch
        self.held = held
        self.ready = ready
        self.scheduled = scheduled
        self.retrying = retrying
        self.running = running
        self.orphaned = orphaned
        self.succeeded = succeeded
        self.failed = failed
        self.cancelled = cancelled
    }
}

/// One line of `list`.
package struct JobRow: Sendable, Codable {
    package var jobID: JobID
    package var batch: String
    package var state: JobState
    package var video: String
    package var question: String
    package var priority: Int
    package var attemptsMade: Int
    package var errorClass: ErrorClass?
    package var errorCode: String?
    package var errorMessage: String?
    package var customID: String?
    package var progress: Double?
    package var stage: String?

    package init(
        jobID: JobID, batch: String, state: JobState, video: String, question: String,
        priority: Int, attemptsMade: Int, errorClass: ErrorClass? = nil, errorCode: String? = nil,
        errorMessage: String? = nil, customID: String? = nil, progress: Double? = nil,
        stage: String? = nil
    ) {
        self.jobID = jobID
        self.batch = batch
        self.state = state
        self.video = video
        self.question = question
        self.priority = priority
        self.attemptsMade = attemptsMade
        self.errorClass = errorClass
        self.errorCode = errorCode
        self.errorMessage = errorMessage
        self.customID = customID
        self.progress = progress
        self.stage = stage
    }
}

/// One attempt of a job; times ISO 8601 UTC.
package struct AttemptRow: Sendable, Codable {
    package var attemptID: AttemptID
    package var number: Int
    package var worker: String
    package var startedAt: String
    package var endedAt: String?
    package var outcome: String?
    package var errorClass: ErrorClass?
    package var errorCode: String?
    package var errorMessage: String?
    /// Where it failed.
    package var stage: String?
    /// When work on it began; a companion may have ended before.
    package var begunAt: String?
    /// File of its log.
    package var logPath: String?
    /// What it was an attempt at, and the device of its worker: given by `attempts(_:)`.
    package var jobID: JobID?
    package var device: String?

    package init(
        attemptID: AttemptID, number: Int, worker: String, startedAt: String,
        endedAt: String? = nil, outcome: String? = nil, errorClass: ErrorClass? = nil,
        errorCode: String? = nil, errorMessage: String? = nil,
        stage: String? = nil, begunAt: String? = nil, logPath: String? = nil,
        jobID: JobID? = nil, device: String? = nil
    ) {
        self.attemptID = attemptID
        self.number = number
        self.worker = worker
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.outcome = outcome
        self.errorClass = errorClass
        self.errorCode = errorCode
        self.errorMessage = errorMessage
        self.stage = stage
        self.begunAt = begunAt
        self.logPath = logPath
        self.jobID = jobID
        self.device = device
    }
}

/// All that is known of one job.
package struct JobDetail: Sendable, Codable {
    package var job: JobRow
    package var expected: String?
    package var choices: [String]?
    package var model: String
    package var optionsJSON: String
    package var video: [String: String]
    package var attempts: [AttemptRow]
    package var answer: Answer?

    package init(
        job: JobRow, expected: String? = nil, choices: [String]? = nil, model: String,
        optionsJSON: String, video: [String: String], attempts: [AttemptRow], answer: Answer? = nil
    ) {
        self.job = job
        self.expected = expected
        self.choices = choices
        self.model = model
        self.optionsJSON = optionsJSON
        self.video = video
        self.attempts = attempts
        self.answer = answer
    }
}

/// One row of the `results` view: column name to value, in the view's order.
package struct ResultRow: Sendable {
    package enum Value: Sendable, Hashable {
        case null
        case integer(Int64)
        case real(Double)
        case text(String)
    }
    package var columns: [(name: String, value: Value)]
    package subscript(_ name: String) -> Value? { columns.first { $0.name == name }?.value }

    package init(columns: [(name: String, value: Value)]) {
        self.columns = columns
    }
}
