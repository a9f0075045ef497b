import Foundation
import GRDB
import Glibc
import Schema
import Synchronization

extension SQLiteQueue {
    /// Takes the worker's lock first, then writes its row: a row of a living worker always has a
    /// held lock.
    package func register(_ worker: WorkerInfo) async throws -> WorkerID {
        let suffix = String(UInt32.random(in: .min ... .max), radix: 16)
        let name = "\(worker.host.replacing("/", with: "_"))-\(worker.pid)-\(suffix)"
        let lockPath = "\(lockFolder)/\(name).lock"
        let lock = try makeLock(at: lockPath)
        do {
            let id = try await write { db, now in
                try db.execute(
                    sql: """
                        INSERT INTO workers (name, host, boot_id, pid, device, version, lock_path,
                            slurm_job_id, started_at_ms, last_seen_at_ms)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                        """,
                    arguments: [
                        name, worker.host, worker.bootID, worker.pid, worker.device,
                        worker.version, lockPath,
                        ProcessInfo.processInfo.environment["SLURM_JOB_ID"], now, now,
                    ])
                return db.lastInsertedRowID
            }
            locks.withLock { $0[id] = lock }
            return id
        } catch {
            unlink(lockPath)
            throw error
        }
    }

    private func makeLock(at path: String) throws(QueueError) -> FileLock {
        do {
            try FileManager.default.createDirectory(
                atPath: lockFolder, withIntermediateDirectories: true)
        } catch {
            throw QueueError(.unavailable, "\(lockFolder): cannot be made: \(error)")
        }
        guard let lock = try FileLock(path: path) else {
            throw QueueError(.busy, "\(path): held by another worker")
        }
        return lock
    }

    /// Jobs that the worker still holds are taken back as after a death, by the next `rescue`.
    package func unregister(_ worker: WorkerID, reason: String) async throws {
        try await write { db, now in
            try db.execute(
                sql: """
                    UPDATE workers SET stopped_at_ms = ?, stop_reason = ?, last_seen_at_ms = ?
                    WHERE worker_id = ? AND stopped_at_ms IS NULL
                    """,
                arguments: [now, reason, now, worker])
        }
        if let lock = locks.withLock({ $0.removeValue(forKey: worker) }) { unlink(lock.path) }
    }

    package func claim(
        _ worker: WorkerID, filter: ClaimFilter, lease: Duration
    ) async throws -> Claim? {
        let expected = environment.migrations.last?.version
        return try await write { [path] db, now -> Claim?? in
            // Another program may have migrated the file since it was opened.
            let version = try Int.fetchOne(db, sql: "PRAGMA user_version")
            guard version == expected else {
                throw QueueError(
                    .incompatible,
                    "\(path): schema version \(version ?? 0) since another program migrated it, "
                        + "this one works on version \(expected ?? 0)")
            }
            guard let row = try Self.nextJob(db, filter, now) else { return .some(nil) }
            return try Self.take(row, for: worker, db, now: now, lease: lease)
        } ?? nil
    }

    /// The head of the queue with all that a claim tells, still unclaimed.
    private static func nextJob(
        _ db: Database, _ filter: ClaimFilter, _ now: Int64
    ) throws -> Row? {
        let model = filter.modelSHA256 == nil ? "" : "AND c.model_sha256 = :model"
        return try Row.fetchOne(
            db,
            sql: """
                SELECT j.*, b.name AS batch, c.model, c.model_sha256, c.options_json
                FROM jobs j CROSS JOIN configs c USING (config_id)
                    CROSS JOIN batches b USING (batch_id)
                WHERE j.state = 'queued' AND j.queue = :queue AND j.run_at_ms <= :now \(model)
                  AND NOT EXISTS (
                    SELECT 1 FROM queues q WHERE q.queue = :queue AND (q.paused_at_ms IS NOT NULL
                      OR q.max_running <= (SELECT count(*) FROM jobs r
                                           WHERE r.queue = :queue AND r.state = 'running')))
                ORDER BY j.priority DESC, j.run_at_ms, j.job_id LIMIT 1
                """,
            arguments: filter.modelSHA256.map {
                ["queue": filter.queue, "now": now, "model": $0]
            } ?? ["queue": filter.queue, "now": now])
    }

    private static func take(
        _ row: Row, for worker: WorkerID, _ db: Database, now: Int64, lease: Duration
    ) throws -> Claim {
        let job: JobID = try row.value("job_id")
        let number = try row.value("attempts_made") + 1
        let leaseEnd = now + lease.milliseconds
        try db.execute(
            sql: """
                INSERT INTO attempts (job_id, worker_id, number, started_at_ms, heartbeat_at_ms)
                VALUES (?, ?, ?, ?, ?)
                """, arguments: [job, worker, number, now, now])
        let attempt = db.lastInsertedRowID
        try db.execute(
            sql: """
                UPDATE jobs SET state = 'running', attempt_id = ?, attempts_made = ?,
                    lease_expires_at_ms = ?, started_at_ms = coalesce(started_at_ms, ?),
                    progress = 0, stage = NULL
                WHERE job_id = ? AND state = 'queued'
                """, arguments: [attempt, number, leaseEnd, now, job])
        let video = try Row.fetchOne(
            db, sql: "SELECT * FROM videos WHERE video_id = ?",
            arguments: [try row.value("video_id") as Int64])
        guard let video else { throw QueueError(.corrupt, "job \(job): its video row is missing") }
        return Claim(
            job: job, attempt: attempt, number: number,
            maxAttempts: try row.value("max_attempts"), batch: try row.value("batch"),
            video: try VideoRecord(row: video), model: try row.value("model"),
            modelSHA256: try row.value("model_sha256"),
            optionsJSON: try row.value("options_json"), question: try row.value("question"),
            choices: try row.texts("choices_json"), expected: try row.optional("expected"),
            timeout: .milliseconds(try row.value("timeout_ms") as Int64),
            leaseUntil: Date(milliseconds: leaseEnd))
    }

    package func heartbeat(
        _ attempt: AttemptID, progress: Double?, stage: String?, lease: Duration
    ) async throws -> HeartbeatReply {
        guard let writer = connections.heartbeats else {
            throw QueueError(.unavailable, "\(path): opened read-only")
        }
        return try await write(on: writer) { db, now in
            let leaseEnd = now + lease.milliseconds
            // Clamped: a progress beyond 1 is no reason to lose the job.
            let progress = progress.map { $0.isFinite ? min(max($0, 0), 1) : 0 }
            let row = try Row.fetchOne(
                db,
                sql: """
                    UPDATE jobs SET lease_expires_at_ms = ?, progress = coalesce(?, progress),
                        stage = coalesce(?, stage)
                    WHERE attempt_id = ? AND state = 'running'
                    RETURNING cancel_requested_at_ms
                    """, arguments: [leaseEnd, progress, stage, attempt])
            guard let row else { return .lost }
            try db.execute(
                sql: """
                    UPDATE attempts SET heartbeat_at_ms = ? WHERE attempt_id = ?;
                    UPDATE workers SET last_seen_at_ms = ? WHERE worker_id =
                        (SELECT worker_id FROM attempts WHERE attempt_id = ?)
                    """, arguments: [now, attempt, now, attempt])
            let requested: Int64? = try row.optional("cancel_requested_at_ms")
            guard requested == nil else { return .cancelRequested }
            return .ok(leaseUntil: Date(milliseconds: leaseEnd))
        }
    }
}
