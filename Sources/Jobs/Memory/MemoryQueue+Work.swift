import Foundation

extension MemoryQueue {
    package func register(_ worker: WorkerInfo) async throws -> WorkerID {
        try write { tables, now in
            let id = tables.newID()
            tables.workers[id] = MemoryWorker(
                id: id, name: "\(worker.host)-\(worker.pid)-\(id)", info: worker, startedAt: now,
                lastSeenAt: now)
            return id
        }
    }

    package func unregister(_ worker: WorkerID, reason: String) async throws {
        try write { tables, now in
            guard var row = tables.workers[worker] else { return }
            if row.stop == nil {
                row.stop = (now, reason.withoutNUL)
                row.lastSeenAt = now
            }
            row.isAlive = false
            tables.workers[worker] = row
        }
    }

    package func claim(
        _ worker: WorkerID, filter: ClaimFilter, limit: Int, lease: Duration
    ) async throws -> [Claim] {
        try write { tables, now throws(QueueError) in
            let runnable = tables.runnable(filter, now)
            guard limit > 0, let head = runnable.first else { return [] }
            guard tables.workers[worker] != nil else {
                throw QueueError(.invalid, "memory: there is no worker \(worker)")
            }
            var group = [head]
            if head.crashes == 0 {
                let companions = runnable.dropFirst().filter {
                    $0.video == head.video && $0.config == head.config
                        && $0.item.queue == head.item.queue && $0.crashes == 0
                }
                let room = min(limit, tables.room(in: head.item.queue))
                group += companions.prefix(room - 1)
            }
            return group.compactMap {
                tables.take($0, for: worker, until: now + lease.milliseconds, now)
            }
        }
    }

    package func start(_ attempt: AttemptID) async throws -> Bool {
        try write { tables, now in
            guard tables.holding(attempt) != nil, var row = tables.attempts[attempt] else {
                return false
            }
            row.begunAt = row.begunAt ?? now
            tables.attempts[attempt] = row
            return true
        }
    }

    package func heartbeat(
        _ worker: WorkerID, _ live: [LiveAttempt], lease: Duration
    ) async throws -> [AttemptID: HeartbeatReply] {
        try write { tables, now in
            tables.workers[worker]?.lastSeenAt = now
            var replies: [AttemptID: HeartbeatReply] = [:]
            for entry in live {
                replies[entry.attempt] = tables.prolong(entry, until: now + lease.milliseconds, now)
            }
            return replies
        }
    }

    package func noteLog(_ attempt: AttemptID, path: String) async throws {
        try write { tables, _ in tables.attempts[attempt]?.logPath = path }
    }
}

extension MemoryTables {
    func isAsked(_ job: MemoryJob, _ filter: ClaimFilter) -> Bool {
        (filter.queues.isEmpty || filter.queues.contains(job.item.queue))
            && (filter.modelSHA256 == nil
                || filter.modelSHA256 == configs[job.config]?.modelSHA256)
    }

    /// What may run now, the next first.
    fileprivate func runnable(_ filter: ClaimFilter, _ now: Int64) -> [MemoryJob] {
        jobs.values.filter { job in
            isAsked(job, filter) && job.state == .queued && job.runAt <= now
                && queues[job.item.queue]?.pausedAt == nil && room(in: job.item.queue) > 0
        }.sorted { ($1.priority, $0.runAt, $0.id) < ($0.priority, $1.runAt, $1.id) }
    }

    /// How many more jobs of the queue may run.
    fileprivate func room(in queue: String) -> Int {
        guard let limit = queues[queue]?.maxRunning else { return .max }
        return limit - jobs.values.count { $0.item.queue == queue && $0.state == .running }
    }

    fileprivate mutating func take(
        _ job: MemoryJob, for worker: WorkerID, until leaseEnd: Int64, _ now: Int64
    ) -> Claim? {
        guard let video = videos[job.video], let config = configs[job.config],
            let batch = batches[job.batch]
        else { return nil }
        var job = job
        let attempt = newID()
        job.attemptsMade += 1
        job.phase = .running(attempt, leaseUntil: leaseEnd, isUnwanted: false)
        job.startedAt = job.startedAt ?? now
        job.progress = 0
        job.stage = nil
        jobs[job.id] = job
        attempts[attempt] = MemoryAttempt(
            id: attempt, job: job.id, worker: worker, number: job.attemptsMade, startedAt: now,
            heartbeatAt: now)
        return Claim(
            job: job.id, attempt: attempt, number: job.attemptsMade,
            maxAttempts: job.item.maxAttempts, batch: batch.spec.name, video: video,
            model: config.model, modelSHA256: config.modelSHA256, optionsJSON: config.optionsJSON,
            question: job.item.question, choices: job.item.choices, expected: job.item.expected,
            timeout: .milliseconds(job.item.timeout.milliseconds),
            leaseUntil: Date(milliseconds: leaseEnd), dedupeKey: job.dedupeKey,
            customID: job.item.customID, queue: job.item.queue, crashes: job.crashes)
    }

    fileprivate mutating func prolong(
        _ live: LiveAttempt, until leaseEnd: Int64, _ now: Int64
    ) -> HeartbeatReply {
        guard var job = holding(live.attempt) else { return .lost }
        job.phase = .running(live.attempt, leaseUntil: leaseEnd, isUnwanted: job.isUnwanted)
        if let progress = live.progress {
            job.progress = progress.isFinite ? max(0, min(1, progress)) : 0
        }
        job.stage = live.stage?.withoutNUL ?? job.stage
        jobs[job.id] = job
        attempts[live.attempt]?.heartbeatAt = now
        return job.isUnwanted ? .cancelRequested : .ok(leaseUntil: Date(milliseconds: leaseEnd))
    }
}
