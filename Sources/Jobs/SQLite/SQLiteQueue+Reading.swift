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
            ).map { row in
                BatchStatus(
                    batch: try row.value("batch"), held: try row.value("held"),
                    ready: try row.value("ready"), scheduled: try row.value("scheduled"),
                    retrying: try row.value("retrying"), running: try row.value("running"),
                    orphaned: try row.value("orphaned"), succeeded: try row.value("succeeded"),
                    failed: try row.value("failed"), cancelled: try row.value("cancelled"))
            }
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
        ).map { row in
            JobRow(
                jobID: try row.value("job_id"), batch: try row.value("batch"),
                state: try row.state(), video: try row.value("video"),
                question: try row.value("question"), priority: try row.value("priority"),
                attemptsMade: try row.value("attempts_made"), errorClass: try row.errorClass(),
                errorCode: try row.optional("error_code"),
                errorMessage: try row.optional("error_message"),
                customID: try row.optional("custom_id"), progress: try row.optional("progress"),
                stage: try row.optional("stage"))
        }
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

extension VideoRecord {
    /// What is known of the video, by column name.
    fileprivate var columns: [String: String] {
        let values: [String: String?] = [
            "content_id": contentID, "path": path, "size_bytes": "\(sizeBytes)",
            "mtime_ns": "\(mtimeNanoseconds)", "duration_ms": durationMilliseconds.map { "\($0)" },
            "width_px": width.map { "\($0)" }, "height_px": height.map { "\($0)" },
            "fps": framesPerSecond.map { "\($0)" }, "frame_count": frameCount.map { "\($0)" },
            "codec": codec, "container": container, "probe_error": probeError,
        ]
        return values.compactMapValues { $0 }
    }
}
