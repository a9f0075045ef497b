import Glibc

extension PostgresQueue {
    /// Takes back the jobs of workers that are gone.
    ///
    /// A worker of this kernel is gone when its lock is free: known at once, and whatever the clock
    /// says. Of a worker elsewhere only the lease tells, by the server's clock. A crash counts in
    /// `crashes`, not as an attempt; at `max_crashes` the job is failed for good (class `crash`, code
    /// `worker_died`). Of several jobs of one worker those that it had begun are blamed, or the first
    /// claimed when it had begun none; the others only waited their turn.
    package func rescue() async throws -> [Rescued] {
        // A look first: mostly there is nothing, and a write would lock rows.
        let lost = try await short { [self] session in
            let now = try session.now(environment)
            return try session.runPrepared(Self.heldJobs).map(HeldJob.init(row:))
                .compactMap { lostJob($0, now: now) }
        }
        guard !lost.isEmpty else { return [] }
        let (rescued, holders) = try await work.transaction(within: environment.callLimit) {
            [environment] session in
            let now = try session.now(environment)
            var blamed: [WorkerID: Set<AttemptID>] = [:]
            let rescued = try lost.compactMap { lost in
                let worker = lost.job.worker.id
                let guilty = try blamed[worker] ?? Self.blame(session, worker)
                blamed[worker] = guilty
                return try Self.takeBack(
                    lost, isBlamed: guilty.contains(lost.job.attempt), session, now)
            }
            if rescued.contains(where: { $0.fate == .requeued }) { try session.wakeWorkers() }
            let held = try session.runPrepared(Self.heldJobs).map(HeldJob.init(row:))
            return (rescued, Set(held.map(\.worker.id)))
        }
        // Of a worker whose job somebody else had locked just now, the lock tells again next time.
        for lost in lost where lost.isDead && !holders.contains(lost.job.worker.id) {
            if let path = lost.job.worker.lockPath { unlink(path) }
        }
        return rescued
    }

    static let heldJobs = """
        SELECT j.attempt_id, j.lease_expires_at_ms, w.worker_id, w.host, w.boot_id, w.lock_path
        FROM jobs j JOIN attempts t ON t.attempt_id = j.attempt_id
        JOIN workers w USING (worker_id) WHERE j.state = 'running' ORDER BY j.attempt_id
        """

    /// A worker as its row tells.
    struct KnownWorker: Sendable {
        var id: WorkerID
        var host: HostIdentity
        var lockPath: String?

        init(row: PostgresRow) throws {
            id = try row.value("worker_id")
            host = HostIdentity(host: try row.value("host"), bootID: try row.value("boot_id"))
            lockPath = try row.optional("lock_path")
        }
    }

    /// A running job and who runs it.
    private struct HeldJob: Sendable {
        var attempt: AttemptID
        var leaseEnd: Int64
        var worker: KnownWorker

        init(row: PostgresRow) throws {
            attempt = try row.value("attempt_id")
            leaseEnd = try row.value("lease_expires_at_ms")
            worker = try KnownWorker(row: row)
        }
    }

    private struct LostJob: Sendable {
        var job: HeldJob
        /// Known to be dead; else only its lease has run out.
        var isDead: Bool
    }

    /// Whether the worker of this kernel is alive; `nil` for a worker elsewhere, and where its lock
    /// cannot be looked at.
    func isAlive(_ worker: KnownWorker) -> Bool? {
        guard worker.host == environment.host, let path = worker.lockPath else { return nil }
        return PostgresWorkerLock.isHeld(path)
    }

    private func lostJob(_ job: HeldJob, now: Int64) -> LostJob? {
        switch isAlive(job.worker) {
        case true?: nil
        case false?: LostJob(job: job, isDead: true)
        case nil: job.leaseEnd < now ? LostJob(job: job, isDead: false) : nil
        }
    }

    /// Which of the attempts that the worker has in hand killed it.
    private static func blame(
        _ session: PostgresSession, _ worker: WorkerID
    ) throws -> Set<AttemptID> {
        let rows = try session.runPrepared(
            """
            SELECT t.attempt_id, t.begun_at_ms FROM attempts t
            JOIN jobs j ON j.attempt_id = t.attempt_id AND j.state = 'running'
            WHERE t.worker_id = $1::bigint AND t.ended_at_ms IS NULL ORDER BY t.attempt_id
            """, [worker])
        let begun = try rows.filter { try $0.isSet("begun_at_ms") }
        return Set(
            try (begun.isEmpty ? rows.prefix(1) : begun[...]).map {
                try $0.value("attempt_id")
            })
    }

    /// `nil` when since the look the job has ended, was taken back by somebody else, or its lease was
    /// prolonged.
    private static func takeBack(
        _ lost: LostJob, isBlamed: Bool, _ session: PostgresSession, _ now: Int64
    ) throws -> Rescued? {
        let attempt = lost.job.attempt
        // Somebody who has it locked ends it, prolongs it or takes it back: leave it to them.
        let job = try session.runPrepared(
            """
            SELECT * FROM jobs WHERE attempt_id = $1::bigint AND state = 'running'
            FOR UPDATE SKIP LOCKED
            """, [attempt]
        ).first
        guard let job else { return nil }
        let leaseEnd: Int64 = try job.value("lease_expires_at_ms")
        guard lost.isDead || leaseEnd < now else { return nil }
        let id: JobID = try job.value("job_id")
        let crashes = try job.value("crashes") as Int + (isBlamed ? 1 : 0)
        let limit: Int = try job.value("max_crashes")
        let death = Failure(
            errorClass: .crash, code: "worker_died",
            message: "the worker died while it ran this job (\(crashes) of \(limit) times)",
            stage: try job.optional("stage"))
        try session.close(
            attempt, outcome: isBlamed ? "crashed" : "interrupted", isBlamed ? death : nil, now,
            note: "the worker died on another job")

        let fate: Rescued.Fate
        if try job.isSet("cancel_requested_at_ms") {
            fate = .cancelled
            try session.finish(id, .cancelled, .cancelled, now)
        } else if isBlamed && crashes >= limit {
            fate = .quarantined
            try session.finish(id, .failed, death, now)
        } else {
            fate = .requeued
            try session.runPrepared(
                """
                UPDATE jobs SET state = 'queued', attempt_id = NULL, lease_expires_at_ms = NULL,
                    attempts_made = attempts_made - 1, progress = NULL, stage = NULL,
                    run_at_ms = $2::bigint WHERE job_id = $1::bigint
                """, [id, now])
        }
        try session.runPrepared(
            "UPDATE jobs SET crashes = $2::integer WHERE job_id = $1::bigint", [id, crashes])
        if lost.isDead { try session.bury(lost.job.worker.id, now) }
        try session.record("rescued_\(fate)", job: id, attempt: attempt, now)
        return Rescued(job: id, attempt: attempt, fate: fate)
    }
}

/// Steps of transactions.
extension PostgresSession {
    func close(
        _ attempt: AttemptID, outcome: String, _ failure: Failure?, _ now: Int64,
        note: String? = nil
    ) throws {
        try runPrepared(
            """
            UPDATE attempts SET outcome = $2, ended_at_ms = $3::bigint, error_class = $4,
                error_code = $5, error_message = $6, stage = $7 WHERE attempt_id = $1::bigint
            """,
            [
                attempt, outcome, now, failure?.errorClass.rawValue, failure?.code,
                failure?.message ?? note, failure?.stage,
            ])
    }

    func finish(_ job: JobID, _ state: JobState, _ failure: Failure, _ now: Int64) throws {
        try runPrepared(
            """
            UPDATE jobs SET state = $2, attempt_id = NULL, lease_expires_at_ms = NULL,
                cancel_requested_at_ms = NULL, error_class = $3, error_code = $4,
                error_message = $5, stage = coalesce($6, stage), finished_at_ms = $7::bigint
            WHERE job_id = $1::bigint
            """,
            [
                job, state.rawValue, failure.errorClass.rawValue, failure.code, failure.message,
                failure.stage, now,
            ])
    }

    func bury(_ worker: WorkerID, _ now: Int64) throws {
        try runPrepared(
            """
            UPDATE workers SET stopped_at_ms = $2::bigint, stop_reason = 'died'
            WHERE worker_id = $1::bigint AND stopped_at_ms IS NULL
            """, [worker, now])
    }

    /// Adds to the audit trail.
    func record(_ kind: String, job: JobID, attempt: AttemptID? = nil, _ now: Int64) throws {
        try runPrepared(
            """
            INSERT INTO events (at_ms, job_id, attempt_id, kind)
            VALUES ($1::bigint, $2::bigint, $3::bigint, $4)
            """, [now, job, attempt, kind])
    }
}
