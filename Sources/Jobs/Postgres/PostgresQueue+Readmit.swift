extension PostgresQueue {
    package func readmit(_ line: JournalledAnswer) async throws -> Readmission {
        try await work.transaction(within: environment.callLimit) {
            [environment] session in
            let now = try session.now(environment)
            guard let row = try Self.job(of: line, session) else { return .unknownJob }
            let job: JobID = try row.value("job_id")
            // In a statement of its own, which sees what came while the row's lock was waited for.
            let answers = try session.run("SELECT FROM answers WHERE job_id = $1::bigint", [job])
            if !answers.isEmpty { return .alreadyAnswered }
            switch try row.state() {
            case .running: return .running
            case .cancelled: return .cancelled
            case .succeeded:
                throw QueueError(.corrupt, "job \(job) succeeded and has no answer")
            case .held, .queued, .failed: break
            }
            let attempt = try Self.attempt(of: line, job: row, environment.host, session, now)
            try session.run(
                """
                UPDATE jobs SET state = 'succeeded', attempt_id = NULL, lease_expires_at_ms = NULL,
                    cancel_requested_at_ms = NULL, progress = 1, stage = NULL, error_class = NULL,
                    error_code = NULL, error_message = NULL, finished_at_ms = $2::bigint
                WHERE job_id = $1::bigint
                """, [job, now])
            try session.run(
                """
                INSERT INTO answers (job_id, attempt_id, recorded_at_ms,
                    \(Answer.columnNames))
                VALUES ($1::bigint, $2::bigint, $3::bigint, \(Answer.postgresValues(from: 4)))
                """, [job, attempt, now] + line.answer.postgresArguments)
            try session.close(attempt, outcome: "succeeded", nil, now)
            try session.record("readmitted", job: job, attempt: attempt, now)
            return .stored
        }
    }

    /// By job id and key together, else by the key: ids differ in a queue that was restored or moved.
    private static func job(
        of line: JournalledAnswer, _ session: PostgresSession
    ) throws -> PostgresRow? {
        let found = "SELECT j.job_id, j.state, j.attempts_made FROM jobs j"
        return try session.run(
            "\(found) WHERE job_id = $1::bigint AND dedupe_key = $2 FOR UPDATE OF j",
            [line.job, line.dedupeKey]
        ).first
            ?? session.run(
                "\(found) WHERE dedupe_key = $1 AND state <> 'cancelled' FOR UPDATE OF j",
                [line.dedupeKey]
            ).first
    }

    /// The attempt that the line names when it is one of this job's, else a new one of the worker
    /// `journal`.
    private static func attempt(
        of line: JournalledAnswer, job: PostgresRow, _ host: HostIdentity,
        _ session: PostgresSession, _ now: Int64
    ) throws -> AttemptID {
        let id: JobID = try job.value("job_id")
        let known = try session.run(
            "SELECT attempt_id FROM attempts WHERE attempt_id = $1::bigint AND job_id = $2::bigint",
            [line.attempt, id]
        ).first
        if let known { return try known.value("attempt_id") }
        let worker =
            try session.run(
                "SELECT worker_id FROM workers WHERE name = 'journal' AND host = $1", [host.host]
            ).first
            ?? session.run(
                """
                INSERT INTO workers (name, host, boot_id, pid, device, version, started_at_ms,
                    last_seen_at_ms, stopped_at_ms, stop_reason)
                VALUES ('journal', $1, $2, 0, 'none', 'journal', $3::bigint, $3::bigint,
                    $3::bigint, 'journal') RETURNING worker_id
                """, [host.host, host.bootID, now]
            ).first
        let attempt = try session.run(
            """
            INSERT INTO attempts (job_id, worker_id, number, started_at_ms, heartbeat_at_ms)
            VALUES ($1::bigint, $2::bigint, $3::integer, $4::bigint, $4::bigint)
            RETURNING attempt_id
            """,
            [
                id, try worker?.value("worker_id") as WorkerID?,
                try job.value("attempts_made") as Int + 1, line.writtenAtMS,
            ]
        ).first
        guard let attempt else {
            throw QueueError(.unavailable, "job \(id): the journal's attempt was not stored")
        }
        return try attempt.value("attempt_id")
    }
}
