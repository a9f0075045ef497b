import Foundation
import Glibc
import Synchronization

extension PostgresQueue {
    /// Takes the worker's lock first, then writes its row: a row of a living worker always has a
    /// held lock.
    package func register(_ worker: WorkerInfo) async throws -> WorkerID {
        let suffix = String(UInt32.random(in: .min ... .max), radix: 16)
        let name = "\(worker.host.replacing("/", with: "_"))-\(worker.pid)-\(suffix)"
        let lock = try PostgresWorkerLock.take(name, in: lockFolder)
        do {
            let id = try await short { [environment] session -> WorkerID in
                // By its name the row is found again that was written before a connection broke.
                let rows = try session.run(
                    """
                    WITH clock AS MATERIALIZED (SELECT \(environment.now()) AS now),
                    old AS (SELECT worker_id FROM workers WHERE name = $1),
                    new AS (
                        INSERT INTO workers (name, host, boot_id, pid, device, version, lock_path,
                            slurm_job_id, started_at_ms, last_seen_at_ms)
                        SELECT $1, $2, $3, $4::bigint, $5, $6, $7, $8, now, now FROM clock
                        WHERE NOT EXISTS (SELECT FROM old) RETURNING worker_id)
                    SELECT worker_id FROM old UNION ALL SELECT worker_id FROM new
                    """,
                    [
                        name, worker.host, worker.bootID, worker.pid, worker.device,
                        worker.version, lock.path,
                        ProcessInfo.processInfo.environment["SLURM_JOB_ID"],
                    ])
                guard let row = rows.first else {
                    throw QueueError(.unavailable, "\(name): the worker was not stored")
                }
                return try row.value("worker_id")
            }
            locks.withLock { $0[id] = lock }
            return id
        } catch {
            unlink(lock.path)
            throw error
        }
    }

    /// Jobs that the worker still holds are taken back as after a death, by the next `rescue`.
    package func unregister(_ worker: WorkerID, reason: String) async throws {
        try await short { [environment] session in
            _ = try session.run(
                """
                WITH clock AS MATERIALIZED (SELECT \(environment.now()) AS now)
                UPDATE workers SET stopped_at_ms = now, stop_reason = $2, last_seen_at_ms = now
                FROM clock WHERE worker_id = $1::bigint AND stopped_at_ms IS NULL
                """, [worker, reason.withoutNUL])
        }
        // The file stays until nobody needs it to see that the worker is gone.
        let lock = locks.withLock { $0.removeValue(forKey: worker) }
        let isIdle = try await short { session in
            try session.run(
                "SELECT FROM attempts WHERE worker_id = $1::bigint AND ended_at_ms IS NULL LIMIT 1",
                [worker]
            ).isEmpty
        }
        if let lock, isIdle { unlink(lock.path) }
    }

    /// What the end of its process does to a worker, for tests: nothing but to free its lock.
    func dropLock(_ worker: WorkerID) {
        _ = locks.withLock { $0.removeValue(forKey: worker) }
    }

    package func start(_ attempt: AttemptID) async throws -> Bool {
        try await short { [environment] session in
            try !session.runPrepared(
                """
                UPDATE attempts t SET begun_at_ms = coalesce(t.begun_at_ms, \(environment.now()))
                WHERE t.attempt_id = $1::bigint AND t.ended_at_ms IS NULL
                  AND EXISTS (SELECT FROM jobs j
                    WHERE j.state = 'running' AND j.attempt_id = $1::bigint)
                RETURNING t.attempt_id
                """, [attempt]
            ).isEmpty
        }
    }

    package func noteLog(_ attempt: AttemptID, path: String) async throws {
        try await short { session in
            _ = try session.runPrepared(
                "UPDATE attempts SET log_path = $2 WHERE attempt_id = $1::bigint", [attempt, path])
        }
    }

    package func heartbeat(
        _ worker: WorkerID, _ live: [LiveAttempt], lease: Duration
    ) async throws -> [AttemptID: HeartbeatReply] {
        let rows = try await heartbeats.perform(within: environment.callLimit) {
            [environment] session in
            try session.runPrepared(
                Self.heartbeat(now: environment.now()),
                [
                    worker, lease.milliseconds, live.map(\.attempt),
                    live.map { $0.progress.map { $0.isFinite ? min(max($0, 0), 1) : 0 } ?? -1 },
                    // An array cannot tell "no text" from a text simply; no stage is empty.
                    live.map { $0.stage?.withoutNUL ?? "" },
                ]
            ).map { row in
                (
                    attempt: try row.value("attempt_id") as AttemptID,
                    end: try row.value("lease_expires_at_ms") as Int64,
                    isUnwanted: try row.isSet("cancel_requested_at_ms")
                )
            }
        }
        var replies = Dictionary(live.map { ($0.attempt, HeartbeatReply.lost) }) { first, _ in first
        }
        for row in rows {
            replies[row.attempt] =
                row.isUnwanted ? .cancelRequested : .ok(leaseUntil: Date(milliseconds: row.end))
        }
        return replies
    }

    /// $1 worker, $2 lease in milliseconds, $3 attempts, $4 progress or -1, $5 stage or ''.
    static func heartbeat(now: String) -> String {
        """
        WITH clock AS MATERIALIZED (SELECT \(now) AS now),
        seen AS (
            UPDATE workers SET last_seen_at_ms = now FROM clock WHERE worker_id = $1::bigint),
        live AS MATERIALIZED (
            SELECT j.job_id, l.attempt_id, l.progress, l.stage
            FROM unnest($3::bigint[], $4::float8[], $5::text[]) AS l (attempt_id, progress, stage)
            JOIN jobs j ON j.attempt_id = l.attempt_id AND j.state = 'running'
            ORDER BY j.job_id FOR NO KEY UPDATE OF j),
        prolonged AS (
            UPDATE jobs j SET lease_expires_at_ms = clock.now + $2::bigint,
                progress = CASE WHEN l.progress < 0 THEN j.progress ELSE l.progress END,
                stage = CASE WHEN l.stage = '' THEN j.stage ELSE l.stage END
            FROM live l, clock
            WHERE j.job_id = l.job_id AND j.attempt_id = l.attempt_id AND j.state = 'running'
            RETURNING j.attempt_id, j.lease_expires_at_ms, j.cancel_requested_at_ms),
        noted AS (
            UPDATE attempts t SET heartbeat_at_ms = clock.now FROM prolonged p, clock
            WHERE t.attempt_id = p.attempt_id)
        SELECT * FROM prolonged
        """
    }
}
