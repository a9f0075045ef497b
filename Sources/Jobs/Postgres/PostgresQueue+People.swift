/// What people do to jobs: each is one statement within a transaction, whatever the number of jobs.
extension PostgresQueue {
    /// Failed and cancelled jobs of the selection go back to `queued` with their attempts and crashes
    /// forgotten.
    ///
    /// Left as they are: a cancelled job whose question was enqueued anew since; and a job whose file
    /// was found to be no video, unless it is named by its own id (a repaired file has another
    /// identity, so enqueueing it again is the way).
    ///
    /// - Returns: how many went back.
    package func retry(_ selection: JobSelection) async throws -> Int {
        let named = selection.ids.filter { $0.count == 1 }.map(\.lowerBound)
        let (condition, arguments) = selection.postgresCondition(from: 3)
        return try await change { session, now in
            try session.lockKeys()
            let count = try session.run(
                """
                WITH asked AS MATERIALIZED (
                    SELECT j.job_id, j.dedupe_key, j.state FROM jobs j
                    JOIN batches b USING (batch_id) JOIN videos v USING (video_id)
                    WHERE j.state IN ('failed', 'cancelled') AND \(condition)
                      AND (NOT coalesce(j.error_class = 'input' AND v.content_id LIKE 'bad:%', false)
                           OR j.job_id = ANY ($2::bigint[]))
                    ORDER BY j.job_id FOR UPDATE OF j),
                -- Of several cancelled twins the newest; none where another job has the key.
                chosen AS (
                    SELECT DISTINCT ON (a.dedupe_key) a.job_id FROM asked a
                    WHERE a.state = 'failed' OR NOT EXISTS (SELECT FROM jobs o
                        WHERE o.dedupe_key = a.dedupe_key AND o.state <> 'cancelled')
                    ORDER BY a.dedupe_key, a.job_id DESC),
                again AS (
                    UPDATE jobs j SET state = 'queued', attempts_made = 0, crashes = 0,
                        run_at_ms = $1::bigint, error_class = NULL, error_code = NULL,
                        error_message = NULL, stage = NULL, progress = NULL, finished_at_ms = NULL,
                        cancel_requested_at_ms = NULL
                    FROM chosen c WHERE j.job_id = c.job_id AND j.state IN ('failed', 'cancelled')
                    RETURNING j.job_id)
                INSERT INTO events (at_ms, job_id, kind)
                SELECT $1::bigint, job_id, 'retried' FROM again ORDER BY job_id RETURNING job_id
                """, [now, named] + arguments
            ).count
            try session.wakeWorkers()
            return count
        }
    }

    /// Held and queued jobs are cancelled at once; running ones are asked to stop and are cancelled
    /// when their worker hears of it at its next heartbeat.
    ///
    /// - Returns: how many were cancelled or asked.
    package func cancel(_ selection: JobSelection) async throws -> Int {
        let (condition, arguments) = selection.postgresCondition(from: 5)
        let reason = Failure.cancelled
        return try await change { session, now in
            try session.run(
                """
                WITH asked AS MATERIALIZED (
                    SELECT j.job_id, j.state FROM jobs j JOIN batches b USING (batch_id)
                    WHERE j.state IN ('held', 'queued', 'running')
                      AND j.cancel_requested_at_ms IS NULL AND \(condition)
                    ORDER BY j.job_id FOR UPDATE OF j),
                told AS (
                    UPDATE jobs j SET cancel_requested_at_ms = $1::bigint FROM asked a
                    WHERE j.job_id = a.job_id AND a.state = 'running'),
                ended AS (
                    UPDATE jobs j SET state = 'cancelled', error_class = $2, error_code = $3,
                        error_message = $4, finished_at_ms = $1::bigint
                    FROM asked a WHERE j.job_id = a.job_id AND a.state <> 'running')
                INSERT INTO events (at_ms, job_id, kind)
                SELECT $1::bigint, job_id,
                    CASE WHEN state = 'running' THEN 'cancel_requested' ELSE 'cancelled' END
                FROM asked ORDER BY job_id RETURNING job_id
                """, [now, reason.errorClass.rawValue, reason.code, reason.message] + arguments
            ).count
        }
    }

    package func hold(_ selection: JobSelection) async throws -> Int {
        try await alter(selection, from: ["queued"], "state = 'held'", event: "held")
    }

    package func unhold(_ selection: JobSelection) async throws -> Int {
        try await alter(selection, from: ["held"], "state = 'queued'", event: "unheld", wakes: true)
    }

    package func prioritize(_ selection: JobSelection, priority: Int) async throws -> Int {
        guard (-1000...1000).contains(priority) else {
            throw QueueError(.invalid, "priority \(priority), expected -1000 to 1000")
        }
        return try await alter(
            selection, from: ["held", "queued"], "priority = \(priority)", event: "prioritized")
    }

    /// Applies an assignment to the jobs of the selection that are in one of these states.
    private func alter(
        _ selection: JobSelection, from states: [String], _ assignment: String, event: String,
        wakes: Bool = false
    ) async throws -> Int {
        let (condition, arguments) = selection.postgresCondition(from: 4)
        return try await change { session, now in
            let count = try session.run(
                """
                WITH asked AS MATERIALIZED (
                    SELECT j.job_id FROM jobs j JOIN batches b USING (batch_id)
                    WHERE j.state = ANY ($2::text[]) AND \(condition)
                    ORDER BY j.job_id FOR UPDATE OF j),
                altered AS (
                    UPDATE jobs j SET \(assignment) FROM asked a WHERE j.job_id = a.job_id)
                INSERT INTO events (at_ms, job_id, kind)
                SELECT $1::bigint, job_id, $3 FROM asked ORDER BY job_id RETURNING job_id
                """, [now, states, event] + arguments
            ).count
            if wakes { try session.wakeWorkers() }
            return count
        }
    }

    package func pause(queue: String) async throws {
        guard !queue.isEmpty else { throw QueueError(.invalid, "the queue has no name") }
        try await change { session, now in
            _ = try session.run(
                """
                INSERT INTO queues AS q (queue, paused_at_ms) VALUES ($1, $2::bigint)
                ON CONFLICT (queue)
                DO UPDATE SET paused_at_ms = coalesce(q.paused_at_ms, excluded.paused_at_ms)
                """, [queue, now])
        }
    }

    package func resume(queue: String) async throws {
        try await change { [title] session, _ in
            let rows = try session.run(
                "UPDATE queues SET paused_at_ms = NULL WHERE queue = $1 RETURNING queue", [queue])
            guard !rows.isEmpty else {
                throw QueueError(.invalid, "\(title): there is no queue \(queue)")
            }
            try session.wakeWorkers()
        }
    }
}
