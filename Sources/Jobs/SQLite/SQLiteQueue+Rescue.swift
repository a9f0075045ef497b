import GRDB

extension SQLiteQueue {
    /// Takes back the jobs of workers that are gone.
    ///
    /// A worker of this kernel is gone when its lock is free: known at once, and whatever the clock
    /// says. Of a worker elsewhere only the lease tells. A crash counts in `crashes`, not as an
    /// attempt; at `max_crashes` the job is failed for good (class `crash`, code `worker_died`).
    /// Of several jobs of one worker those that it had begun are blamed, or the first claimed when it
    /// had begun none; the others only waited their turn.
    package func rescue() async throws -> [Rescued] {
        // A look first: mostly there is nothing, and a write transaction would keep others waiting.
        let held = try await read { try Self.heldJobs($0) }
        let now = environment.now()
        let lost = try held.compactMap { try lostJob($0, now: now) }
        guard !lost.isEmpty else { return [] }
        let rescued = try await write { db, now in
            var blamed: [WorkerID: Set<AttemptID>] = [:]
            return try lost.compactMap { lost in
                let worker = lost.job.worker.id
                let guilty = try blamed[worker] ?? Self.blame(db, worker)
                blamed[worker] = guilty
                return try Self.takeBack(
                    lost, isBlamed: guilty.contains(lost.job.attempt), db, now)
            }
        }
        removeLocks(of: Set(lost.filter(\.isDead).map(\.job.worker)))
        return rescued
    }

    static let blameQuery = """
        SELECT t.attempt_id, t.begun_at_ms FROM attempts t INDEXED BY attempts_open
        CROSS JOIN jobs j ON j.job_id = t.job_id AND j.attempt_id = t.attempt_id
        WHERE t.worker_id = ? AND t.ended_at_ms IS NULL ORDER BY t.attempt_id
        """

    /// Which of the attempts that the worker has in hand killed it.
    private static func blame(_ db: Database, _ worker: WorkerID) throws -> Set<AttemptID> {
        let rows = try Row.fetchAll(db, sql: blameQuery, arguments: [worker])
        let begun = try rows.filter { try $0.isSet("begun_at_ms") }
        return Set(
            try (begun.isEmpty ? rows.prefix(1) : begun[...]).map {
                try $0.value("attempt_id")
            })
    }

    /// A running job and who runs it.
    private struct HeldJob: Sendable {
        var attempt: AttemptID
        var leaseEnd: Int64
        var worker: KnownWorker
    }

    private struct LostJob: Sendable {
        var job: HeldJob
        /// Known to be dead; else only its lease has run out.
        var isDead: Bool
    }

    static let heldQuery = """
        SELECT j.attempt_id, j.lease_expires_at_ms, w.*
        FROM jobs j INDEXED BY jobs_lease CROSS JOIN attempts t ON t.attempt_id = j.attempt_id
        CROSS JOIN workers w USING (worker_id)
        WHERE j.state = 'running' ORDER BY j.attempt_id
        """

    private static func heldJobs(_ db: Database) throws -> [HeldJob] {
        try Row.fetchAll(db, sql: heldQuery).map { row in
            HeldJob(
                attempt: try row.value("attempt_id"),
                leaseEnd: try row.value("lease_expires_at_ms"), worker: try KnownWorker(row: row))
        }
    }

    private func lostJob(_ job: HeldJob, now: Int64) throws -> LostJob? {
        switch try isAlive(job.worker) {
        case true?: nil
        case false?: LostJob(job: job, isDead: true)
        case nil: job.leaseEnd < now ? LostJob(job: job, isDead: false) : nil
        }
    }

    /// `nil` when since the look the job has ended, was taken back by somebody else, or its lease
    /// was prolonged.
    private static func takeBack(
        _ lost: LostJob, isBlamed: Bool, _ db: Database, _ now: Int64
    ) throws -> Rescued? {
        let attempt = lost.job.attempt
        guard let job = try running(db, attempt),
            try lost.isDead || job.value("lease_expires_at_ms") < now
        else { return nil }
        let id: JobID = try job.value("job_id")
        let crashes = try job.value("crashes") + (isBlamed ? 1 : 0)
        let death = Failure(
            errorClass: .crash, code: "worker_died",
            message: "the worker died while it ran this job (\(crashes) of "
                + "\(try job.value("max_crashes") as Int) times)",
            stage: try job.optional("stage"))
        try close(
            db, attempt, outcome: isBlamed ? "crashed" : "interrupted", isBlamed ? death : nil, now,
            note: "the worker died on another job")

        let fate: Rescued.Fate
        if try job.isSet("cancel_requested_at_ms") {
            fate = .cancelled
            try finish(db, id, .cancelled, .cancelled, now)
        } else if try isBlamed && crashes >= job.value("max_crashes") {
            fate = .quarantined
            try finish(db, id, .failed, death, now)
        } else {
            fate = .requeued
            try requeue(db, id, at: now, "attempts_made = attempts_made - 1,")
        }
        try db.execute(
            sql: "UPDATE jobs SET crashes = ? WHERE job_id = ?", arguments: [crashes, id])
        if lost.isDead { try bury(db, lost.job.worker.id, now) }
        try record(db, "rescued_\(fate)", job: id, attempt: attempt, now)
        return Rescued(job: id, attempt: attempt, fate: fate)
    }
}
