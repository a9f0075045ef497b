import Foundation
import GRDB

/// What people see of jobs. Each call reads one snapshot and keeps no writer waiting.
extension SQLiteQueue {
    /// One entry a batch name, in the order in which the names first appeared. As the view
    /// `queue_status`, but by the clock that the leases go by.
    package func status(batch: String?) async throws -> [BatchStatus] {
        let now = environment.now()
        return try await read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT b.name AS batch, sum(state = 'held') AS held,
                        sum(state = 'queued' AND attempts_made = 0 AND run_at_ms <= ?2) AS ready,
                        sum(state = 'queued' AND attempts_made = 0 AND run_at_ms > ?2) AS scheduled,
                        sum(state = 'queued' AND attempts_made > 0) AS retrying,
                        sum(state = 'running' AND lease_expires_at_ms >= ?2) AS running,
                        sum(state = 'running' AND lease_expires_at_ms < ?2) AS orphaned,
                        sum(state = 'succeeded') AS succeeded, sum(state = 'failed') AS failed,
                        sum(state = 'cancelled') AS cancelled
                    FROM jobs j JOIN batches b USING (batch_id) WHERE ?1 IS NULL OR b.name = ?1
                    GROUP BY b.name ORDER BY min(b.batch_id)
                    """, arguments: [batch, now]
            ).map(BatchStatus.init(row:))
        }
    }

    /// In the order of their ids.
    package func list(_ selection: JobSelection, limit: Int) async throws -> [JobRow] {
        try await read { try Self.rows($0, selection, limit: limit) }
    }

    private static func rows(
        _ db: Database, _ selection: JobSelection, limit: Int
    ) throws -> [JobRow] {
        let condition = selection.condition
        return try Row.fetchAll(
            db,
            sql: """
                SELECT j.*, b.name AS batch, v.path AS video
                FROM jobs j JOIN batches b USING (batch_id) JOIN videos v USING (video_id)
                WHERE \(condition.sql) ORDER BY j.job_id LIMIT ?
                """, arguments: condition.arguments + [limit]
        ).map(JobRow.init(row:))
    }

    package func show(_ job: JobID) async throws -> JobDetail? {
        try await read { db in
            var selection = JobSelection()
            selection.ids = [job...job]
            guard let summary = try Self.rows(db, selection, limit: 1).first,
                let row = try Row.fetchOne(
                    db,
                    sql: """
                        SELECT j.expected, j.choices_json, c.model, c.options_json, v.*
                        FROM jobs j JOIN configs c USING (config_id) JOIN videos v USING (video_id)
                        WHERE j.job_id = ?
                        """, arguments: [job])
            else { return nil }
            return JobDetail(
                job: summary, expected: try row.optional("expected"),
                choices: try row.texts("choices_json"), model: try row.value("model"),
                optionsJSON: try row.value("options_json"),
                video: try VideoRecord(row: row).columns,
                attempts: try Row.fetchAll(
                    db, sql: "\(AttemptRow.sqliteQuery) WHERE t.job_id = ? ORDER BY t.attempt_id",
                    arguments: [job]
                ).map(AttemptRow.init(row:)),
                answer: try Row.fetchOne(
                    db, sql: "SELECT * FROM answers WHERE job_id = ?", arguments: [job]
                ).map(Answer.init(row:)))
        }
    }

    /// Rows of the view `results`, in the order of their ids.
    package func results(_ selection: JobSelection, limit: Int?) async throws -> [ResultRow] {
        try await read { db in
            let condition = selection.condition
            return try Row.fetchAll(
                db,
                sql: """
                    SELECT * FROM results WHERE job_id IN (
                        SELECT j.job_id FROM jobs j JOIN batches b USING (batch_id)
                        WHERE \(condition.sql))
                    ORDER BY job_id LIMIT ?
                    """, arguments: condition.arguments + [limit ?? -1]
            ).map { row in
                ResultRow(columns: row.map { ($0.0, ResultRow.Value($0.1)) })
            }
        }
    }
}
