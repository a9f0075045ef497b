package import Foundation

/// The three ends of an attempt. Each is one statement that begins by taking the job away from the
/// attempt; when the token no longer fits, nothing of the job changes. Each may be repeated: after a
/// connection broke it is, and then finds out that it went through before.
extension PostgresQueue {
    package func complete(_ attempt: AttemptID, _ answer: Answer) async throws -> Finish {
        try await short { [environment] session in
            let rows = try session.runPrepared(
                Self.complete(now: environment.now()), [attempt] + answer.postgresArguments)
            if !rows.isEmpty { return .stored }
            return try Self.repeated(session, attempt, ["succeeded"], environment)
        }
    }

    /// $1 attempt, then the answer's columns. A row when it was stored.
    package static func complete(now: String) -> String {
        return """
            WITH clock AS MATERIALIZED (SELECT \(now) AS now),
            done AS (
                UPDATE jobs SET state = 'succeeded', attempt_id = NULL, lease_expires_at_ms = NULL,
                    cancel_requested_at_ms = NULL, progress = 1, stage = NULL, error_class = NULL,
                    error_code = NULL, error_message = NULL, finished_at_ms = now
                FROM clock WHERE attempt_id = $1::bigint AND state = 'running' RETURNING job_id),
            closed AS (
                UPDATE attempts SET outcome = 'succeeded', ended_at_ms = now, error_class = NULL,
                    error_code = NULL, error_message = NULL, stage = NULL
                FROM done, clock WHERE attempt_id = $1::bigint)
            INSERT INTO answers (job_id, attempt_id, recorded_at_ms,
                \(Answer.columnNames))
            SELECT done.job_id, $1::bigint, now, \(Answer.postgresValues(from: 2))
            FROM done, clock RETURNING job_id
            """
    }

    package func fail(
        _ attempt: AttemptID, _ failure: Failure, retryAt: Date?
    ) async throws -> Finish {
        let outcome =
            switch failure.errorClass {
            case .timeout: "timeout"
            case .cancelled: "cancelled"
            case .input, .resource, .crash, .internal: "failed"
            }
        let isFinal = failure.errorClass == .input || failure.errorClass == .cancelled
        return try await short { [environment] session in
            let rows = try session.runPrepared(
                Self.end(now: environment.now(), counts: true),
                [
                    attempt, outcome, failure.errorClass.rawValue, failure.code.withoutNUL,
                    failure.message.withoutNUL, failure.stage?.withoutNUL,
                    isFinal ? nil : retryAt?.milliseconds,
                ])
            if !rows.isEmpty { return .stored }
            return try Self.repeated(
                session, attempt, ["failed", "timeout", "cancelled"], environment)
        }
    }

    package func release(_ attempt: AttemptID, reason: String) async throws -> Finish {
        try await short { [environment] session in
            let rows = try session.runPrepared(
                Self.end(now: environment.now(), counts: false),
                [
                    attempt, "interrupted", ErrorClass.internal.rawValue, "interrupted",
                    reason.withoutNUL, nil,
                ])
            if !rows.isEmpty {
                try session.wakeWorkers()
                return .stored
            }
            return try Self.repeated(session, attempt, ["interrupted"], environment)
        }
    }

    /// $1 attempt, $2 outcome, $3 class, $4 code, $5 message, $6 stage, and of a failure $7 when to
    /// try again, or NULL.
    ///
    /// - Parameter counts: whether the attempt counts: a failure; else the job goes back at once
    private static func end(now: String, counts: Bool) -> String {
        // An interrupted job that somebody wanted to cancel is cancelled for that reason.
        let cancelled = Failure.cancelled
        let fate =
            counts
            ? """
            CASE WHEN j.cancel_requested_at_ms IS NOT NULL OR $3::text = 'cancelled' THEN 'cancelled'
                WHEN $7::bigint IS NOT NULL AND j.attempts_made < j.max_attempts THEN 'queued'
                ELSE 'failed' END
            """
            : "CASE WHEN j.cancel_requested_at_ms IS NOT NULL THEN 'cancelled' ELSE 'queued' END"
        let errorValues =
            counts
            ? ["$3::text", "$4::text", "$5::text"]
            : [cancelled.errorClass.rawValue, cancelled.code, cancelled.message].map { "'\($0)'" }
        func kept(_ column: String, _ value: String) -> String {
            "\(column) = CASE WHEN f.fate = 'queued' THEN j.\(column) ELSE \(value) END"
        }
        return """
            WITH clock AS MATERIALIZED (SELECT \(now) AS now),
            held AS MATERIALIZED (
                SELECT j.job_id, \(fate) AS fate FROM jobs j
                WHERE j.attempt_id = $1::bigint AND j.state = 'running' FOR NO KEY UPDATE),
            ended AS (
                UPDATE jobs j SET state = f.fate, attempt_id = NULL, lease_expires_at_ms = NULL,
                    \(kept("error_class", errorValues[0])), \(kept("error_code", errorValues[1])),
                    \(kept("error_message", errorValues[2])),
                    stage = CASE WHEN f.fate = 'queued' THEN NULL
                        ELSE coalesce($6::text, j.stage) END,
                    progress = CASE WHEN f.fate = 'queued' THEN NULL ELSE j.progress END,
                    cancel_requested_at_ms = NULL,
                    run_at_ms = CASE WHEN f.fate = 'queued' THEN \(counts ? "$7::bigint" : "now")
                        ELSE j.run_at_ms END,
                    attempts_made = j.attempts_made
                        - \(counts ? "0" : "CASE WHEN f.fate = 'queued' THEN 1 ELSE 0 END"),
                    finished_at_ms = CASE WHEN f.fate = 'queued' THEN NULL ELSE now END
                FROM held f, clock
                WHERE j.job_id = f.job_id AND j.attempt_id = $1::bigint AND j.state = 'running'
                RETURNING j.job_id)
            UPDATE attempts SET outcome = $2, ended_at_ms = now, error_class = $3::text,
                error_code = $4::text, error_message = $5::text, stage = $6::text
            FROM ended, clock WHERE attempt_id = $1::bigint
            RETURNING attempt_id
            """
    }

    /// The attempt no longer holds its job: the same call went through before, or the lease is lost. A
    /// worker that was taken for dead reports: its attempt was not a crash after all.
    private static func repeated(
        _ session: PostgresSession, _ attempt: AttemptID, _ outcomes: Set<String>,
        _ environment: PostgresEnvironment
    ) throws -> Finish {
        let row = try session.runPrepared(
            """
            SELECT t.outcome, EXISTS (SELECT FROM answers a WHERE a.attempt_id = t.attempt_id)
                AS is_answered
            FROM attempts t WHERE t.attempt_id = $1::bigint
            """, [attempt]
        ).first
        if let row {
            let outcome: String? = try row.optional("outcome")
            let isRight: Bool =
                try outcomes == ["succeeded"]
                ? row.value("is_answered") : outcome.map(outcomes.contains) ?? false
            if isRight { return .alreadyStored }
        }
        try session.runPrepared(
            """
            UPDATE attempts
            SET outcome = 'lease_lost', ended_at_ms = coalesce(ended_at_ms, \(environment.now()))
            WHERE attempt_id = $1::bigint AND (outcome IS NULL OR outcome = 'crashed')
            """, [attempt])
        return .leaseLost
    }
}

extension Answer {
    /// In the order of `columnTypes`.
    var postgresArguments: PostgresSession.Arguments { columns.map { $0 } }

    /// `$4::text, $5::bigint …`
    static func postgresValues(from first: Int) -> String {
        columnTypes.enumerated().map { "$\($0 + first)::\($1.type)" }.joined(separator: ", ")
    }
}
