package import Foundation

/// `jobs.job_id`.
package typealias JobID = Int64
/// `workers.worker_id`.
package typealias WorkerID = Int64
/// The fencing token: `attempts.attempt_id` of the live claim.
package typealias AttemptID = Int64

/// The stored states; `scheduled`, `retrying` and `orphaned` are derived in the view `queue_status`.
package enum JobState: String, Sendable, CaseIterable, Codable {
    case held, queued, running, succeeded, failed, cancelled
}

/// What kind of thing went wrong. `input` is never tried again.
package enum ErrorClass: String, Sendable, CaseIterable, Codable {
    case input, resource, timeout, crash, `internal`, cancelled
}

/// Why an attempt failed: stored in the attempt and, when final, in the job.
package struct Failure: Error, Sendable, Codable {
    package var errorClass: ErrorClass
    /// Short and stable, for `--error-class` and SQL: `not_a_video`, `out_of_memory`, `nan_logits` …
    package var code: String
    package var message: String
    /// probe, decode, encode, prefill, decode_text, write
    package var stage: String?

    package init(errorClass: ErrorClass, code: String, message: String, stage: String? = nil) {
        self.errorClass = errorClass
        self.code = code
        self.message = message
        self.stage = stage
    }
}

/// Jobs by id and by filter; the parts are joined by AND, an empty selection is every job.
package struct JobSelection: Sendable {
    package var ids: [ClosedRange<JobID>] = []
    package var batch: String?
    package var states: [JobState] = []
    package var errorClasses: [ErrorClass] = []
    package var customID: String?
    /// Jobs of this model (`configs.model_sha256`).
    package var modelSHA256: String?
    /// Jobs that ended at this time or later; those that have not ended are left out.
    package var endedSince: Date?
    package init() {}
}

/// One line of `doctor`.
package struct Finding: Sendable, Codable {
    package enum Level: String, Sendable, Codable { case ok, warning, error }
    package var level: Level
    package var subject: String
    package var detail: String

    package init(level: Level, subject: String, detail: String) {
        self.level = level
        self.subject = subject
        self.detail = detail
    }
}
