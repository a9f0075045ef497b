import Foundation

extension PostgresQueue {
    /// In the order in which they registered.
    package func workers() async throws -> [WorkerRow] {
        try await read { session in
            try session.run(
                """
                SELECT w.*, iso8601(w.started_at_ms) AS started, iso8601(w.last_seen_at_ms) AS seen,
                    (SELECT string_agg(j.job_id::text, ',' ORDER BY t.begun_at_ms IS NULL,
                        t.begun_at_ms, t.attempt_id)
                     FROM attempts t JOIN jobs j ON j.attempt_id = t.attempt_id
                     WHERE j.state = 'running' AND t.worker_id = w.worker_id) AS jobs
                FROM workers w WHERE w.stopped_at_ms IS NULL ORDER BY w.worker_id
                """
            ).map { row in
                let jobs: String? = try row.optional("jobs")
                return WorkerRow(
                    workerID: try row.value("worker_id"), name: try row.value("name"),
                    host: try row.value("host"), device: try row.value("device"),
                    version: try row.value("version"), pid: try row.value("pid"),
                    startedAt: try row.value("started"), lastSeenAt: try row.value("seen"),
                    jobs: (jobs ?? "").split(separator: ",").compactMap { JobID($0) })
            }
        }
    }

    package func metrics() async throws -> QueueMetrics {
        try await read { [environment] session in
            var metrics = QueueMetrics()
            metrics.jobs = try session.run(
                """
                SELECT queue, state, count(*) AS n FROM jobs GROUP BY 1, 2
                ORDER BY queue COLLATE "C", state COLLATE "C"
                """
            ).map {
                QueueMetrics.JobCount(
                    queue: try $0.value("queue"), state: try $0.state(), count: try $0.value("n"))
            }
            for row in try session.run(
                "SELECT outcome, count(*) AS n FROM attempts WHERE outcome IS NOT NULL GROUP BY 1")
            {
                metrics.attempts[try row.value("outcome")] = try row.value("n")
            }
            try metrics.addAnswers(session)
            let row = try session.run(
                """
                WITH clock AS MATERIALIZED (SELECT \(environment.now()) AS now)
                SELECT (SELECT count(*) FROM events WHERE kind LIKE 'rescued\\_%') AS rescued,
                    (SELECT count(*) FROM workers WHERE stopped_at_ms IS NULL) AS workers,
                    (SELECT (clock.now - min(run_at_ms)) / 1000.0::float8 FROM jobs
                     WHERE state = 'queued' AND run_at_ms <= clock.now) AS oldest
                FROM clock
                """
            ).first
            if let row {
                metrics.rescued = try row.value("rescued")
                metrics.workersUp = try row.value("workers")
                metrics.oldestQueuedSeconds = try row.optional("oldest")
            }
            return metrics
        }
    }
}

extension QueueMetrics {
    fileprivate mutating func addAnswers(_ session: PostgresSession) throws {
        let cases = Self.durationBounds.enumerated()
            .map { "WHEN total_ms <= \($1 * 1000) THEN \($0)" }.joined(separator: " ")
        let rows = try session.run(
            """
            SELECT CASE \(cases) ELSE \(Self.durationBounds.count) END AS bucket,
                count(*) AS n, sum(total_ms) AS ms, sum(attn_flops_dense) AS dense,
                sum(attn_flops_used) AS used, max(peak_device_bytes) AS peak,
                max(recorded_at_ms) AS last
            FROM answers GROUP BY 1
            """)
        for row in rows {
            durationBuckets[try row.value("bucket")] = try row.value("n")
            durationSumSeconds += try row.value("ms") / 1000
            attnFLOPsDense += try row.value("dense")
            attnFLOPsUsed += try row.value("used")
            if let peak: Int64 = try row.optional("peak") {
                peakDeviceBytes = max(peakDeviceBytes ?? 0, peak)
            }
            let last = Date(milliseconds: try row.value("last"))
            lastSuccess = max(lastSuccess ?? last, last)
        }
    }
}
