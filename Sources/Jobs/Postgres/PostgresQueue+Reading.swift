import Foundation

/// What people see of jobs. Each call reads one snapshot and keeps nobody waiting.
extension PostgresQueue {
    /// One entry a batch name, in the order in which the names first appeared.
    package func status(batch: String?) async throws -> [BatchStatus] {
        try await read { [environment] session in
            func count(_ name: String, _ condition: String) -> String {
                "count(*) FILTER (WHERE \(condition)) AS \(name)"
            }
            let counts = [
                count("held", "j.state = 'held'"),
                count(
                    "ready",
                    "j.state = 'queued' AND j.attempts_made = 0 AND j.run_at_ms <= clock.now"),
                count(
                    "scheduled",
                    "j.state = 'queued' AND j.attempts_made = 0 AND j.run_at_ms > clock.now"),
                count("retrying", "j.state = 'queued' AND j.attempts_made > 0"),
                count("running", "j.state = 'running' AND j.lease_expires_at_ms >= clock.now"),
                count("orphaned", "j.state = 'running' AND j.lease_expires_at_ms < clock.now"),
                count("succeeded", "j.state = 'succeeded'"),
                count("failed", "j.state = 'failed'"),
                count("cancelled", "j.state = 'cancelled'"),
            ]
            return try session.run(
                """
                WITH clock AS MATERIALIZED (SELECT \(environment.now()) AS now)
                SELECT b.name AS batch, \(counts.joined(separator: ", "))
                FROM jobs j JOIN batches b USING (batch_id), clock
                WHERE $1::text IS NULL OR b.name = $1 GROUP BY b.name ORDER BY min(b.batch_id)
                """, [batch]
            ).map(BatchStatus.init(row:))
        }
    }

    /// In the order of their ids.
    package func list(_ selection: JobSelection, limit: Int) async throws -> [JobRow] {
        try await read { try Self.rows($0, selection, limit: limit) }
    }

    private static func rows(
        _ session: PostgresSession, _ selection: JobSelection, limit: Int
    ) throws -> [JobRow] {
        let (condition, arguments) = selection.postgresCondition(from: 2)
        return try session.run(
            """
            SELECT j.*, b.name AS batch, v.path AS video
            FROM jobs j JOIN batches b USING (batch_id) JOIN videos v USING (video_id)
            WHERE \(condition) ORDER BY j.job_id LIMIT $1::bigint
            """, [limit < 0 ? nil : limit] + arguments
        ).map(JobRow.init(row:))
    }

    package func show(_ job: JobID) async throws -> JobDetail? {
        try await read { session in
            var selection = JobSelection()
            selection.ids = [job...job]
            guard let summary = try Self.rows(session, selection, limit: 1).first,
                let row = try session.run(
                    """
                    SELECT j.expected, j.choices_json, c.model, c.options_json, v.*
                    FROM jobs j JOIN configs c USING (config_id) JOIN videos v USING (video_id)
                    WHERE j.job_id = $1::bigint
                    """, [job]
                ).first
            else { return nil }
            return JobDetail(
                job: summary, expected: try row.optional("expected"),
                choices: try row.texts("choices_json"), model: try row.value("model"),
                optionsJSON: try row.value("options_json"),
                video: try VideoRecord(row: row).columns,
                attempts: try session.run(
                    "\(AttemptRow.postgresQuery) WHERE t.job_id = $1::bigint ORDER BY t.attempt_id",
                    [job]
                ).map(AttemptRow.init(row:)),
                answer: try session.run(
                    "SELECT * FROM answers WHERE job_id = $1::bigint", [job]
                ).first.map(Answer.init(row:)))
        }
    }

    /// Rows of the view `results`, in the order of their ids.
    package func results(_ selection: JobSelection, limit: Int?) async throws -> [ResultRow] {
        let (condition, arguments) = selection.postgresCondition(from: 2)
        return try await read { session in
            try session.run(
                """
                SELECT * FROM results WHERE job_id IN (
                    SELECT j.job_id FROM jobs j JOIN batches b USING (batch_id) WHERE \(condition))
                ORDER BY job_id LIMIT $1::bigint
                """, [limit] + arguments
            ).map { row in ResultRow(columns: Array(zip(row.columns.names, row.values))) }
        }
    }

    package func remaining(_ selection: JobSelection) async throws -> Int {
        let (condition, arguments) = selection.postgresCondition()
        return try await read { session in
            try session.run(
                """
                SELECT count(*) AS n FROM jobs j JOIN batches b USING (batch_id)
                WHERE j.state IN ('queued', 'running') AND \(condition)
                """, arguments
            ).first?.value("n") ?? 0
        }
    }

    package func isDrained(_ filter: ClaimFilter) async throws -> Bool {
        let isAsked = """
            (cardinality($1::text[]) = 0 OR j.queue = ANY ($1::text[]))
            AND ($2::text IS NULL OR j.config_id IN (
                SELECT config_id FROM configs WHERE model_sha256 = $2::text))
            """
        return try await read { [environment] session in
            try session.run(
                """
                SELECT NOT EXISTS (SELECT FROM jobs j WHERE j.state = 'running' AND \(isAsked))
                    AND NOT EXISTS (SELECT FROM jobs j WHERE j.state = 'queued' AND \(isAsked)
                        AND (j.attempts_made > 0 OR j.run_at_ms <= \(environment.now()))) AS drained
                """, [filter.queues, filter.modelSHA256]
            ).first?.value("drained") ?? true
        }
    }

    /// In the order of their names.
    package func queues() async throws -> [QueueRow] {
        try await read { session in
            try session.run(
                """
                SELECT q.queue, q.paused_at_ms IS NOT NULL AS paused,
                    coalesce(n.queued, 0) AS queued, coalesce(n.running, 0) AS running
                FROM queues q LEFT JOIN (
                    SELECT queue, count(*) FILTER (WHERE state = 'queued') AS queued,
                        count(*) FILTER (WHERE state = 'running') AS running
                    FROM jobs WHERE state IN ('queued', 'running') GROUP BY queue) n USING (queue)
                ORDER BY q.queue COLLATE "C"
                """
            ).map { row in
                QueueRow(
                    queue: try row.value("queue"), isPaused: try row.value("paused"),
                    queued: try row.value("queued"), running: try row.value("running"))
            }
        }
    }
}
