import GRDB

/// Attempts and videos of many jobs at once, for reports.
extension SQLiteQueue {
    package func attempts(_ selection: JobSelection) async throws -> [AttemptRow] {
        try await read { db in
            let condition = selection.condition
            return try Array(
                Row.fetchCursor(
                    db,
                    sql: """
                        \(AttemptRow.sqliteQuery)
                        WHERE t.job_id IN (
                            SELECT j.job_id FROM jobs j JOIN batches b USING (batch_id)
                            WHERE \(condition.sql))
                        ORDER BY t.attempt_id
                        """, arguments: condition.arguments
                ).map(AttemptRow.init(row:)))
        }
    }

    package func videos(_ selection: JobSelection) async throws -> [JobID: VideoRecord] {
        try await read { db in
            let condition = selection.condition
            let jobs = try Row.fetchAll(
                db,
                sql: """
                    SELECT j.job_id, j.video_id FROM jobs j JOIN batches b USING (batch_id)
                    WHERE \(condition.sql)
                    """, arguments: condition.arguments)
            var known: [Int64: VideoRecord] = [:]
            var videos: [JobID: VideoRecord] = [:]
            for job in jobs {
                let id: Int64 = try job.value("video_id")
                if known[id] == nil {
                    known[id] = try Row.fetchOne(
                        db, sql: "SELECT * FROM videos WHERE video_id = ?", arguments: [id]
                    ).map(VideoRecord.init(row:))
                }
                videos[try job.value("job_id")] = known[id]
            }
            return videos
        }
    }
}

extension AttemptRow {
    /// Rows of `attempts t` with what is told of their workers.
    static let sqliteQuery = """
        SELECT t.*, w.name AS worker, w.device,
          strftime('%Y-%m-%dT%H:%M:%fZ', t.started_at_ms / 1000.0, 'unixepoch') AS started,
          strftime('%Y-%m-%dT%H:%M:%fZ', t.begun_at_ms / 1000.0, 'unixepoch') AS begun,
          strftime('%Y-%m-%dT%H:%M:%fZ', t.ended_at_ms / 1000.0, 'unixepoch') AS ended
        FROM attempts t JOIN workers w USING (worker_id)
        """
}
