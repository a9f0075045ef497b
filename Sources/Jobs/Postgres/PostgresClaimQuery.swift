/// The statement that claims, and what it is made of. Each step is a seek in an index: a claim costs
/// the same in a queue of a million jobs, whatever of them waits for a later time, belongs to other
/// models or stands in queues that are paused.
///
/// Arguments: $1 queues (empty: all), $2 model or NULL, then those of the statement.
package struct PostgresClaimQuery: Sendable {
    /// SQL expression of the server's time.
    package var now: String
    package var version: Int

    package init(now: String, version: Int) {
        self.now = now
        self.version = version
    }

    private let isAsked = "(cardinality($1::text[]) = 0 OR q.queue = ANY ($1::text[]))"
    /// Queues with a limit that are not paused.
    private var limited: String {
        "SELECT FROM queues q WHERE q.max_running IS NOT NULL AND q.paused_at_ms IS NULL AND \(isAsked)"
    }

    /// `best`: queue, config and priority of the job whose turn it is, found without locking.
    ///
    /// - Parameter withLimits: counts the running jobs of queues that have a limit. The caller has
    ///   locked their rows by an earlier statement, so that the count is true. Without it nothing is
    ///   found while there is such a queue.
    private func search(withLimits: Bool) -> String {
        let room = """
            q.max_running - (SELECT count(*) FROM jobs r
                WHERE r.state = 'running' AND r.queue = q.queue)
            """
        return """
            WITH RECURSIVE clock AS MATERIALIZED (SELECT \(now) AS now),
            open AS MATERIALIZED (
                SELECT q.queue, \(withLimits ? room : "NULL::bigint") AS room FROM queues q
                WHERE q.paused_at_ms IS NULL AND \(isAsked)
                  AND (SELECT version FROM meta) = \(version)
                  AND \(withLimits ? "(q.max_running IS NULL OR \(room) > 0)"
                        : "NOT EXISTS (\(limited))")),
            levels AS (
                SELECT o.queue, o.room, f.config_id, f.rank FROM open o CROSS JOIN LATERAL (
                    SELECT j.config_id, -j.priority AS rank FROM jobs j
                    WHERE j.state = 'queued' AND j.queue = o.queue
                    ORDER BY j.config_id, -j.priority LIMIT 1) f
                UNION ALL
                SELECT l.queue, l.room, f.config_id, f.rank FROM levels l CROSS JOIN LATERAL (
                    SELECT j.config_id, -j.priority AS rank FROM jobs j
                    WHERE j.state = 'queued' AND j.queue = l.queue
                      AND (j.config_id, -j.priority) > (l.config_id, l.rank)
                    ORDER BY j.config_id, -j.priority LIMIT 1) f),
            best AS MATERIALIZED (
                SELECT l.queue, l.room, l.config_id, l.rank FROM levels l CROSS JOIN LATERAL (
                    SELECT j.run_at_ms, j.job_id FROM jobs j
                    WHERE j.state = 'queued' AND j.queue = l.queue AND j.config_id = l.config_id
                      AND -j.priority = l.rank AND j.run_at_ms <= (SELECT now FROM clock)
                    ORDER BY j.run_at_ms, j.job_id LIMIT 1) d
                WHERE $2::text IS NULL OR EXISTS (SELECT FROM configs c
                    WHERE c.config_id = l.config_id AND c.model_sha256 = $2::text)
                ORDER BY l.rank, d.run_at_ms, d.job_id LIMIT 1)
            """
    }

    /// $3 worker, $4 at most so many jobs, $5 lease in milliseconds. One row for each claimed job, the
    /// head first. The head is the first job of `best`'s kind that nobody else has locked, and the
    /// companions are those of its video that nobody else has locked.
    package func claim(withLimits: Bool) -> String {
        """
        \(search(withLimits: withLimits)),
        head AS MATERIALIZED (
            SELECT h.*, b.room FROM best b CROSS JOIN LATERAL (
                SELECT j.job_id, j.video_id, j.config_id, j.queue, j.attempts_made, j.crashes
                FROM jobs j
                WHERE j.state = 'queued' AND j.queue = b.queue AND j.config_id = b.config_id
                  AND -j.priority = b.rank AND j.run_at_ms <= (SELECT now FROM clock)
                ORDER BY j.run_at_ms, j.job_id LIMIT 1 FOR UPDATE SKIP LOCKED) h),
        companions AS MATERIALIZED (
            SELECT c.* FROM head h CROSS JOIN LATERAL (
                SELECT j.job_id, j.attempts_made, -j.priority AS rank, j.run_at_ms FROM jobs j
                WHERE h.crashes = 0 AND j.video_id = h.video_id AND j.config_id = h.config_id
                  AND j.queue = h.queue AND j.state = 'queued' AND j.crashes = 0
                  AND j.run_at_ms <= (SELECT now FROM clock) AND j.job_id <> h.job_id
                ORDER BY -j.priority, j.run_at_ms, j.job_id
                LIMIT least($4::bigint, (SELECT room FROM head)) - 1
                FOR UPDATE SKIP LOCKED) c),
        taken AS (
            SELECT job_id, attempts_made, 0 AS place, 0 AS rank, 0 AS run_at_ms FROM head
            UNION ALL SELECT job_id, attempts_made, 1, rank, run_at_ms FROM companions),
        opened AS (
            INSERT INTO attempts (job_id, worker_id, number, started_at_ms, heartbeat_at_ms)
            SELECT job_id, $3::bigint, attempts_made + 1, now, now FROM taken, clock
            ORDER BY place, rank, run_at_ms, job_id
            RETURNING attempt_id, job_id, number),
        claimed AS (
            UPDATE jobs j SET state = 'running', attempt_id = o.attempt_id,
                attempts_made = o.number, lease_expires_at_ms = clock.now + $5::bigint,
                started_at_ms = coalesce(j.started_at_ms, clock.now), progress = 0, stage = NULL
            FROM opened o, clock WHERE j.job_id = o.job_id AND j.state = 'queued'
            RETURNING j.*)
        \(Self.columns) FROM claimed j \(Self.joins) ORDER BY j.attempt_id
        """
    }

    /// After a claim that found nothing: why.
    func reason(withLimits: Bool) -> String {
        """
        \(search(withLimits: withLimits))
        SELECT (SELECT version FROM meta) AS version, EXISTS (\(limited)) AS is_limited,
            EXISTS (SELECT FROM best) AS is_ready
        """
    }

    /// $1 worker, $2 attempt: what the worker has in hand of later attempts.
    static let inHand = """
        \(columns) FROM jobs j JOIN attempts t ON t.attempt_id = j.attempt_id \(joins)
        WHERE j.state = 'running' AND t.worker_id = $1::bigint AND j.attempt_id > $2::bigint
        ORDER BY j.attempt_id
        """

    static let lockLimits =
        "SELECT FROM queues WHERE max_running IS NOT NULL ORDER BY queue FOR NO KEY UPDATE"

    private static let columns = """
        SELECT j.job_id, j.attempt_id, j.attempts_made, j.max_attempts, j.question,
            j.choices_json, j.expected, j.timeout_ms, j.lease_expires_at_ms, j.dedupe_key,
            j.custom_id, j.queue, j.crashes, b.name AS batch, c.model, c.model_sha256,
            c.options_json, v.content_id, v.path, v.size_bytes, v.mtime_ns, v.duration_ms,
            v.width_px, v.height_px, v.fps, v.frame_count, v.codec, v.container, v.probe_error
        """
    private static let joins =
        "JOIN batches b USING (batch_id) JOIN configs c USING (config_id) JOIN videos v USING (video_id)"
}
