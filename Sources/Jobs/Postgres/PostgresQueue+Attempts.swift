/// Attempts and videos of many jobs at once, for reports.
extension PostgresQueue {
    package func attempts(_ selection: JobSelection) async throws -> [AttemptRow] {
        let (condition, arguments) = selection.postgresCondition()
        return try await read { session in
            try session.run(
                """
                \(AttemptRow.postgresQuery)
                WHERE t.job_id IN (
                    SELECT j.job_id FROM jobs j JOIN batches b USING (batch_id) WHERE \(condition))
                ORDER BY t.attempt_id
                """, arguments
            ).map(AttemptRow.init(row:))
        }
    }

    package func videos(_ selection: JobSelection) async throws -> [JobID: VideoRecord] {
        let (condition, arguments) = selection.postgresCondition()
        return try await read { session in
            try session.run(
                """
                SELECT j.job_id, v.* FROM jobs j JOIN batches b USING (batch_id)
                JOIN videos v USING (video_id) WHERE \(condition)
                """, arguments
            ).reduce(into: [:]) { videos, row in
                videos[try row.value("job_id")] = try VideoRecord(row: row)
            }
        }
    }
}

extension AttemptRow {
    /// Rows of `attempts t` with what is told of their workers.
    static let postgresQuery = """
        SELECT t.*, w.name AS worker, w.device, iso8601(t.started_at_ms) AS started,
            iso8601(t.ended_at_ms) AS ended, iso8601(t.begun_at_ms) AS begun
        FROM attempts t JOIN workers w USING (worker_id)
        """
}
