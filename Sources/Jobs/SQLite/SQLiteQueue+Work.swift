import Foundation
import GRDB
import Glibc
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

    package func start(_ attempt: AttemptID) async throws -> Bool {
        try await write { db, now in
            try db.cachedStatement(
                sql: """
                    UPDATE attempts SET begun_at_ms = coalesce(begun_at_ms, ?)
                    WHERE attempt_id = ? AND ended_at_ms IS NULL AND EXISTS (SELECT 1 FROM jobs j
                        WHERE j.job_id = attempts.job_id AND j.attempt_id = attempts.attempt_id)
                    """
            ).execute(arguments: [now, attempt])
            return db.changesCount > 0
        }
    }

    package func heartbeat(
        _ worker: WorkerID, _ live: [LiveAttempt], lease: Duration
    ) async throws -> [AttemptID: HeartbeatReply] {
        guard let writer = connections.heartbeats else {
            throw QueueError(.unavailable, "\(path): opened read-only")
        }
        return try await write(on: writer) { db, now in
            try db.cachedStatement(
                sql: "UPDATE workers SET last_seen_at_ms = ? WHERE worker_id = ?"
            ).execute(arguments: [now, worker])
            var replies: [AttemptID: HeartbeatReply] = [:]
            for attempt in live {
                replies[attempt.attempt] = try Self.prolong(attempt, db, now, lease)
            }
            return replies
        }
    }

    static let prolongQuery = """
        UPDATE jobs SET lease_expires_at_ms = ?2, progress = coalesce(?3, progress),
            stage = coalesce(?4, stage)
        WHERE job_id = (SELECT job_id FROM attempts WHERE attempt_id = ?1)
            AND attempt_id = ?1 AND state = 'running'
        RETURNING cancel_requested_at_ms
        """

    private static func prolong(
        _ live: LiveAttempt, _ db: Database, _ now: Int64, _ lease: Duration
    ) throws -> HeartbeatReply {
        let leaseEnd = now + lease.milliseconds
        // Clamped: a progress beyond 1 is no reason to lose the job.
        let progress = live.progress.map { $0.isFinite ? min(max($0, 0), 1) : 0 }
        let row = try Row.fetchOne(
            db.cachedStatement(sql: prolongQuery),
            arguments: [live.attempt, leaseEnd, progress, live.stage?.withoutNUL])
        guard let row else { return .lost }
        try db.cachedStatement(
            sql: "UPDATE attempts SET heartbeat_at_ms = ? WHERE attempt_id = ?"
        ).execute(arguments: [now, live.attempt])
        return try row.isSet("cancel_requested_at_ms")
            ? .cancelRequested : .ok(leaseUntil: Date(milliseconds: leaseEnd))
    }

    package func noteLog(_ attempt: AttemptID, path: String) async throws {
        try await write { db, _ in
            try db.execute(
                sql: "UPDATE attempts SET log_path = ? WHERE attempt_id = ?",
                arguments: [path, attempt])
        }
    }
}
