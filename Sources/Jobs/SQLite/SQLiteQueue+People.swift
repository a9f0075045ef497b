import Foundation
import GRDB

/// What people do to jobs.
extension SQLiteQueue {
    /// Failed and cancelled jobs of the selection go back to `queued` with their attempts and crashes
    /// forgotten.
    ///
    /// Left as they are: a cancelled job whose question was enqueued anew since; and a job whose file
    /// was found to be no video, unless it is named by its own id (a repaired file has another
    /// identity, so enqueueing it again is the way).
    ///
    /// - Returns: how many went back.
    package func retry(_ selection: JobSelection) async throws -> Int {
        try await write { db, now in
            let condition = selection.condition
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT j.job_id,
                        coalesce(j.error_class = 'input' AND v.content_id LIKE 'bad:%', 0) AS bad
                    FROM jobs j JOIN batches b USING (batch_id) JOIN videos v USING (video_id)
                    WHERE j.state IN ('failed', 'cancelled') AND \(condition.sql)
                    ORDER BY j.job_id DESC
                    """, arguments: condition.arguments)
            var count = 0
            for row in rows {
                let job: JobID = try row.value("job_id")
                if try row.value("bad") && !selection.names(job) { continue }
                try db.execute(
                    sql: """
                        UPDATE jobs SET state = 'queued', attempts_made = 0, crashes = 0,
                            run_at_ms = ?, error_class = NULL, error_code = NULL,
                            error_message = NULL, stage = NULL, progress = NULL,
                            finished_at_ms = NULL, cancel_requested_at_ms = NULL
                        WHERE job_id = ? AND NOT EXISTS (SELECT 1 FROM jobs o
                            WHERE o.dedupe_key = jobs.dedupe_key AND o.state <> 'cancelled'
                              AND o.job_id <> jobs.job_id)
                        """, arguments: [now, job])
                guard db.changesCount > 0 else { continue }
                try Self.record(db, "retried", job: job, now)
                count += 1
            }
            return count
        }
    }

    /// Held and queued jobs are cancelled at once; running ones are asked to stop and are cancelled
    /// when their worker hears of it at its next heartbeat.
    ///
    /// - Returns: how many were cancelled or asked.
    package func cancel(_ selection: JobSelection) async throws -> Int {
        try await write { db, now in
            let condition = selection.condition
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT j.job_id, j.state FROM jobs j JOIN batches b USING (batch_id)
                    WHERE j.state IN ('held', 'queued', 'running')
                      AND j.cancel_requested_at_ms IS NULL AND \(condition.sql)
                    """, arguments: condition.arguments)
            for row in rows {
                let job: JobID = try row.value("job_id")
                if try row.state() == .running {
                    try db.execute(
                        sql: "UPDATE jobs SET cancel_requested_at_ms = ? WHERE job_id = ?",
                        arguments: [now, job])
                    try Self.record(db, "cancel_requested", job: job, now)
                } else {
                    try Self.finish(db, job, .cancelled, .cancelled, now)
                    try Self.record(db, "cancelled", job: job, now)
                }
            }
            return rows.count
        }
    }

    package func remaining(_ selection: JobSelection) async throws -> Int {
        try await read { db in
            let condition = selection.condition
            return try Int.fetchOne(
                db,
                sql: """
                    SELECT count(*) FROM jobs j JOIN batches b USING (batch_id)
                    WHERE j.state IN ('queued', 'running') AND \(condition.sql)
                    """, arguments: condition.arguments) ?? 0
        }
    }
}
