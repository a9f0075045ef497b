import Foundation

extension PostgresQueue {
    package func prune(_ retention: Retention, isDry: Bool) async throws -> PruneReport {
        let states = Set(retention.states).intersection([.succeeded, .failed, .cancelled])
        let arguments: PostgresSession.Arguments = [
            retention.before.milliseconds, states.map(\.rawValue).sorted(), retention.batch,
        ]
        let statement = Self.prune(isDry: isDry)
        let work = { @Sendable (session: PostgresSession) throws -> PruneReport in
            guard let row = try session.run(statement, arguments).first else {
                throw QueueError(.unavailable, "nothing was counted")
            }
            return PruneReport(
                jobs: try row.value("jobs"), attempts: try row.value("attempts"),
                answers: try row.value("answers"), batches: try row.value("batches"),
                videos: try row.value("videos"), configs: try row.value("configs"),
                workers: try row.value("workers"), events: try row.value("events"))
        }
        if isDry { return try await read(work) }
        return try await change { session, _ in
            try session.lockKeys()
            return try work(session)
        }
    }

    /// $1 before, $2 states, $3 batch or NULL. One statement: all its parts see the same rows, and
    /// references are checked when it is done.
    private static func prune(isDry: Bool) -> String {
        let without = "NOT EXISTS (SELECT FROM kept k WHERE"
        let parts: [(table: String, condition: String)] = [
            ("answers", "job_id IN (SELECT job_id FROM gone)"),
            (
                "events",
                "job_id IN (SELECT job_id FROM gone) OR ($3::text IS NULL AND at_ms < $1::bigint)"
            ),
            (
                "workers",
                """
                stopped_at_ms IS NOT NULL AND NOT EXISTS (SELECT FROM attempts t
                    JOIN kept k USING (job_id) WHERE t.worker_id = x.worker_id)
                """
            ),
            ("attempts", "job_id IN (SELECT job_id FROM gone)"),
            ("jobs", "job_id IN (SELECT job_id FROM gone)"),
            ("videos", "\(without) k.video_id = x.video_id)"),
            ("configs", "\(without) k.config_id = x.config_id)"),
            ("batches", "\(without) k.batch_id = x.batch_id)"),
        ]
        let steps = parts.map { table, condition in
            isDry
                ? "\(table)_gone AS (SELECT 1 FROM \(table) x WHERE \(condition))"
                : "\(table)_gone AS (DELETE FROM \(table) x WHERE \(condition) RETURNING 1)"
        }
        let counts = parts.map { "(SELECT count(*) FROM \($0.table)_gone) AS \($0.table)" }
        return """
            WITH gone AS MATERIALIZED (
                SELECT j.job_id FROM jobs j
                WHERE j.state = ANY ($2::text[]) AND j.finished_at_ms < $1::bigint
                  AND ($3::text IS NULL
                       OR j.batch_id IN (SELECT batch_id FROM batches WHERE name = $3::text))
                \(isDry ? "" : "ORDER BY j.job_id FOR UPDATE")),
            kept AS MATERIALIZED (
                SELECT j.job_id, j.video_id, j.config_id, j.batch_id FROM jobs j
                WHERE NOT EXISTS (SELECT FROM gone g WHERE g.job_id = j.job_id)),
            \(steps.joined(separator: ",\n"))
            SELECT \(counts.joined(separator: ", "))
            """
    }
}
