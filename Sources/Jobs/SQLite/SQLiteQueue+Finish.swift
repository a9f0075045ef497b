package import Foundation
import GRDB

/// The three ends of an attempt. Each is one transaction that begins by taking the job away from the
/// attempt; when the token no longer fits, nothing of the job changes.
extension SQLiteQueue {
    static let succeedQuery = """
        UPDATE jobs SET state = 'succeeded', attempt_id = NULL, lease_expires_at_ms = NULL,
            cancel_requested_at_ms = NULL, progress = 1, stage = NULL, error_class = NULL,
            error_code = NULL, error_message = NULL, finished_at_ms = ?1
        WHERE job_id = (SELECT job_id FROM attempts WHERE attempt_id = ?2)
            AND attempt_id = ?2 AND state = 'running' RETURNING job_id
        """

    package func complete(_ attempt: AttemptID, _ answer: Answer) async throws -> Finish {
        try await writeAtAnyCost { db, now in
            let job = try JobID.fetchOne(
                db.cachedStatement(sql: Self.succeedQuery), arguments: [now, attempt])
            guard let job else {
                let stored = try Bool.fetchOne(
                    db, sql: "SELECT EXISTS (SELECT 1 FROM answers WHERE attempt_id = ?)",
                    arguments: [attempt])
                if stored == true { return .alreadyStored }
                return try Self.loseLease(db, attempt, now)
            }
            try answer.insert(db, job: job, attempt: attempt, now: now)
            try Self.close(db, attempt, outcome: "succeeded", nil, now)
            return .stored
        }
    }

    package func fail(
        _ attempt: AttemptID, _ failure: Failure, retryAt: Date?
    ) async throws -> Finish {
        try await writeAtAnyCost { db, now in
            guard let job = try Self.running(db, attempt) else {
                return try Self.repeated(db, attempt, ["failed", "timeout", "cancelled"], now)
            }
            let outcome =
                switch failure.errorClass {
                case .timeout: "timeout"
                case .cancelled: "cancelled"
                case .input, .resource, .crash, .internal: "failed"
                }
            try Self.close(db, attempt, outcome: outcome, failure, now)
            let id: JobID = try job.value("job_id")
            let isUnwanted = try job.isSet("cancel_requested_at_ms")
            if isUnwanted || failure.errorClass == .cancelled {
                try Self.finish(db, id, .cancelled, failure, now)
            } else if let retryAt, failure.errorClass != .input,
                try job.value("attempts_made") < job.value("max_attempts") as Int
            {
                try Self.requeue(db, id, at: retryAt.milliseconds, "")
            } else {
                try Self.finish(db, id, .failed, failure, now)
            }
            return .stored
        }
    }

    package func release(_ attempt: AttemptID, reason: String) async throws -> Finish {
        try await writeAtAnyCost { db, now in
            guard let job = try Self.running(db, attempt) else {
                return try Self.repeated(db, attempt, ["interrupted"], now)
            }
            let id: JobID = try job.value("job_id")
            let interruption = Failure(
                errorClass: .internal, code: "interrupted", message: reason, stage: nil)
            try Self.close(db, attempt, outcome: "interrupted", interruption, now)
            if try job.isSet("cancel_requested_at_ms") {
                try Self.finish(db, id, .cancelled, .cancelled, now)
            } else {
                try Self.requeue(db, id, at: now, "attempts_made = attempts_made - 1,")
            }
            return .stored
        }
    }

    // MARK: Steps of the transactions, also used by rescue

    static let runningQuery = """
        SELECT * FROM jobs WHERE job_id = (SELECT job_id FROM attempts WHERE attempt_id = ?1)
            AND attempt_id = ?1 AND state = 'running'
        """

    /// The job that this attempt holds.
    static func running(_ db: Database, _ attempt: AttemptID) throws -> Row? {
        try Row.fetchOne(
            db.cachedStatement(sql: runningQuery), arguments: [attempt])
    }

    static func close(
        _ db: Database, _ attempt: AttemptID, outcome: String, _ failure: Failure?, _ now: Int64,
        note: String? = nil
    ) throws {
        let failure = failure?.storable
        try db.cachedStatement(
            sql: """
                UPDATE attempts SET outcome = ?, ended_at_ms = ?, error_class = ?, error_code = ?,
                    error_message = ?, stage = ? WHERE attempt_id = ?
                """
        ).execute(arguments: [
            outcome, now, failure?.errorClass.rawValue, failure?.code,
            failure?.message ?? note, failure?.stage, attempt,
        ])
    }

    /// - Parameter also: further assignments, each followed by a comma.
    static func requeue(_ db: Database, _ job: JobID, at time: Int64, _ also: String) throws {
        try db.cachedStatement(
            sql: """
                UPDATE jobs SET \(also) state = 'queued', attempt_id = NULL,
                    lease_expires_at_ms = NULL, progress = NULL, stage = NULL, run_at_ms = ?
                WHERE job_id = ?
                """
        ).execute(arguments: [time, job])
    }

    static func finish(
        _ db: Database, _ job: JobID, _ state: JobState, _ failure: Failure, _ now: Int64
    ) throws {
        let failure = failure.storable
        try db.cachedStatement(
            sql: """
                UPDATE jobs SET state = ?, attempt_id = NULL, lease_expires_at_ms = NULL,
                    cancel_requested_at_ms = NULL, error_class = ?, error_code = ?,
                    error_message = ?, stage = coalesce(?, stage), finished_at_ms = ?
                WHERE job_id = ?
                """
        ).execute(arguments: [
            state.rawValue, failure.errorClass.rawValue, failure.code, failure.message,
            failure.stage, now, job,
        ])
    }

    /// The attempt no longer holds its job: the same call went through before, or the lease is lost.
    private static func repeated(
        _ db: Database, _ attempt: AttemptID, _ outcomes: Set<String>, _ now: Int64
    ) throws -> Finish {
        let outcome = try String.fetchOne(
            db, sql: "SELECT outcome FROM attempts WHERE attempt_id = ?", arguments: [attempt])
        if let outcome, outcomes.contains(outcome) { return .alreadyStored }
        return try loseLease(db, attempt, now)
    }

    /// A worker that was taken for dead reports: its attempt was not a crash after all.
    private static func loseLease(
        _ db: Database, _ attempt: AttemptID, _ now: Int64
    ) throws -> Finish {
        try db.execute(
            sql: """
                UPDATE attempts SET outcome = 'lease_lost', ended_at_ms = coalesce(ended_at_ms, ?)
                WHERE attempt_id = ? AND (outcome IS NULL OR outcome = 'crashed')
                """, arguments: [now, attempt])
        return .leaseLost
    }

    /// Adds to the audit trail.
    static func record(
        _ db: Database, _ kind: String, job: JobID, attempt: AttemptID? = nil, _ now: Int64
    ) throws {
        try db.cachedStatement(
            sql: "INSERT INTO events (at_ms, job_id, attempt_id, kind) VALUES (?, ?, ?, ?)"
        ).execute(arguments: [now, job, attempt, kind])
    }
}

extension Failure {
    static let cancelled = Failure(
        errorClass: .cancelled, code: "cancelled", message: "cancelled on request", stage: nil)
}
