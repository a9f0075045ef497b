import Foundation
import GRDB

extension SQLiteQueue {
    /// In the order in which they registered.
    package func workers() async throws -> [WorkerRow] {
        try await read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT w.*,
                      strftime('%Y-%m-%dT%H:%M:%fZ', w.started_at_ms / 1000.0, 'unixepoch')
                        AS started,
                      strftime('%Y-%m-%dT%H:%M:%fZ', w.last_seen_at_ms / 1000.0, 'unixepoch')
                        AS seen
                    FROM workers w WHERE w.stopped_at_ms IS NULL ORDER BY w.worker_id
                    """
            ).map { row in
                let worker: WorkerID = try row.value("worker_id")
                return WorkerRow(
                    workerID: worker, name: try row.value("name"), host: try row.value("host"),
                    device: try row.value("device"), version: try row.value("version"),
                    pid: try row.value("pid"), startedAt: try row.value("started"),
                    lastSeenAt: try row.value("seen"), jobs: try Self.jobs(in: db, of: worker))
            }
        }
    }

    /// What a worker has in hand, the begun ones first.
    private static func jobs(in db: Database, of worker: WorkerID) throws -> [JobID] {
        try JobID.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT j.job_id FROM attempts t
                    JOIN jobs j ON j.job_id = t.job_id AND j.attempt_id = t.attempt_id
                    WHERE t.worker_id = ? AND t.ended_at_ms IS NULL
                    ORDER BY t.begun_at_ms IS NULL, t.begun_at_ms, t.attempt_id
                    """), arguments: [worker])
    }

    package func metrics() async throws -> QueueMetrics {
        let now = environment.now()
        var metrics = try await read { try Self.metrics($0, now: now) }
        metrics.logBytes = connections.logBytes(of: path)
        return metrics
    }

    private static func metrics(_ db: Database, now: Int64) throws -> QueueMetrics {
        var metrics = QueueMetrics()
        metrics.jobs = try Row.fetchAll(
            db,
            sql: "SELECT queue, state, count(*) AS n FROM jobs GROUP BY 1, 2 ORDER BY 1, 2"
        ).map {
            QueueMetrics.JobCount(
                queue: try $0.value("queue"), state: try $0.state(), count: try $0.value("n"))
        }
        for row in try Row.fetchAll(
            db,
            sql: """
                SELECT outcome, count(*) AS n FROM attempts WHERE outcome IS NOT NULL GROUP BY 1
                """)
        {
            metrics.attempts[try row.value("outcome")] = try row.value("n")
        }
        metrics.rescued =
            try Int.fetchOne(
                db, sql: "SELECT count(*) FROM events WHERE kind GLOB 'rescued_*'") ?? 0
        try metrics.addAnswers(db)
        let oldest = try Int64.fetchOne(
            db,
            sql: "SELECT min(run_at_ms) FROM jobs WHERE state = 'queued' AND run_at_ms <= ?",
            arguments: [now])
        metrics.oldestQueuedSeconds = oldest.map { Double(now - $0) / 1000 }
        metrics.workersUp =
            try Int.fetchOne(
                db, sql: "SELECT count(*) FROM workers WHERE stopped_at_ms IS NULL") ?? 0
        return metrics
    }
}

extension QueueMetrics {
    fileprivate mutating func addAnswers(_ db: Database) throws {
        let cases = Self.durationBounds.enumerated()
            .map { "WHEN total_ms <= \($1 * 1000) THEN \($0)" }.joined(separator: " ")
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT CASE \(cases) ELSE \(Self.durationBounds.count) END AS bucket,
                    count(*) AS n, sum(total_ms) AS ms, sum(attn_flops_dense) AS dense,
                    sum(attn_flops_used) AS used, max(peak_device_bytes) AS peak,
                    max(recorded_at_ms) AS last
                FROM answers GROUP BY 1
                """)
        while let row = try rows.next() {
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
