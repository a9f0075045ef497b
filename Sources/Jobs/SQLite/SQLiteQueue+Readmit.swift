import GRDB

extension SQLiteQueue {
    package func readmit(_ line: JournalledAnswer) async throws -> Readmission {
        try await writeAtAnyCost { [environment] db, now in
            guard let row = try Self.job(of: line, db) else { return .unknownJob }
            let job: JobID = try row.value("job_id")
            let hasAnswer = try Bool.fetchOne(
                db, sql: "SELECT EXISTS (SELECT 1 FROM answers WHERE job_id = ?)",
                arguments: [job])
            if hasAnswer == true { return .alreadyAnswered }
            switch try row.state() {
            case .running: return .running
            case .cancelled: return .cancelled
            case .succeeded:
                throw QueueError(.corrupt, "job \(job) succeeded and has no answer")
            case .held, .queued, .failed: break
            }
            let attempt = try Self.attempt(of: line, job: row, environment.host, db, now)
            try db.execute(
                sql: """
                    UPDATE jobs SET state = 'succeeded', attempt_id = NULL,
                        lease_expires_at_ms = NULL, cancel_requested_at_ms = NULL, progress = 1,
                        stage = NULL, error_class = NULL, error_code = NULL, error_message = NULL,
                        finished_at_ms = ?
                    WHERE job_id = ?
                    """, arguments: [now, job])
            try line.answer.insert(db, job: job, attempt: attempt, now: now)
            try Self.close(db, attempt, outcome: "succeeded", nil, now)
            try Self.record(db, "readmitted", job: job, attempt: attempt, now)
            return .stored
        }
    }

    /// By job id and key together, else by the key: ids differ in a queue that was restored or moved.
    private static func job(of line: JournalledAnswer, _ db: Database) throws -> Row? {
        try Row.fetchOne(
            db, sql: "SELECT * FROM jobs WHERE job_id = ? AND dedupe_key = ?",
            arguments: [line.job, line.dedupeKey])
            ?? Row.fetchOne(
                db, sql: "SELECT * FROM jobs WHERE dedupe_key = ? AND state <> 'cancelled'",
                arguments: [line.dedupeKey])
    }

    /// The attempt that the line names when it is one of this job's without an answer, else a new one of the worker
    /// `journal`.
    private static func attempt(
        of line: JournalledAnswer, job: Row, _ host: HostIdentity, _ db: Database, _ now: Int64
    ) throws -> AttemptID {
        let id: JobID = try job.value("job_id")
        let known = try AttemptID.fetchOne(
            db, sql: "SELECT attempt_id FROM attempts WHERE attempt_id = ? AND job_id = ?",
            arguments: [line.attempt, id])
        if let known { return known }
        var worker = try WorkerID.fetchOne(
            db, sql: "SELECT worker_id FROM workers WHERE name = 'journal' AND host = ?",
            arguments: [host.host])
        if worker == nil {
            try db.execute(
                sql: """
                    INSERT INTO workers (name, host, boot_id, pid, device, version, started_at_ms,
                        last_seen_at_ms, stopped_at_ms, stop_reason)
                    VALUES ('journal', ?, ?, 0, 'none', 'journal', ?, ?, ?, 'journal')
                    """, arguments: [host.host, host.bootID, now, now, now])
            worker = db.lastInsertedRowID
        }
        try db.execute(
            sql: """
                INSERT INTO attempts (job_id, worker_id, number, started_at_ms, heartbeat_at_ms)
                VALUES (?, ?, ?, ?, ?)
                """,
            arguments: [
                id, worker, try job.value("attempts_made") + 1, line.writtenAtMS, line.writtenAtMS,
            ])
        return db.lastInsertedRowID
    }
}
