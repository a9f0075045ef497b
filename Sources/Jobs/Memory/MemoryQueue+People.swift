extension MemoryQueue {
    package func retry(_ selection: JobSelection) async throws -> Int {
        try write { tables, now in
            var count = 0
            // Of cancelled twins the last one comes back.
            for job in tables.selected(selection, [.failed, .cancelled]).reversed() {
                let isNoVideo =
                    job.failure?.errorClass == .input
                    && tables.videos[job.video]?.contentID.hasPrefix("bad:") == true
                if isNoVideo && !selection.ids.contains(job.id...job.id) { continue }
                let isAskedAnew = tables.jobs.values.contains {
                    $0.id != job.id && $0.dedupeKey == job.dedupeKey && $0.state != .cancelled
                }
                if isAskedAnew { continue }
                var job = job
                job.attemptsMade = 0
                job.crashes = 0
                job.failure = nil
                job.finishedAt = nil
                tables.requeue(job, at: now)
                tables.record("retried", job: job.id, now)
                count += 1
            }
            return count
        }
    }

    package func cancel(_ selection: JobSelection) async throws -> Int {
        try write { tables, now in
            let jobs = tables.selected(selection, [.held, .queued, .running])
                .filter { !$0.isUnwanted }
            for var job in jobs {
                if case .running(let attempt, let leaseEnd, _) = job.phase {
                    job.phase = .running(attempt, leaseUntil: leaseEnd, isUnwanted: true)
                    tables.jobs[job.id] = job
                    tables.record("cancel_requested", job: job.id, now)
                } else {
                    tables.end(job, .cancelled, .cancelled, now)
                    tables.record("cancelled", job: job.id, now)
                }
            }
            return jobs.count
        }
    }

    package func hold(_ selection: JobSelection) async throws -> Int {
        try change(selection, in: [.queued], "held") { $0.phase = .held }
    }

    package func unhold(_ selection: JobSelection) async throws -> Int {
        try change(selection, in: [.held], "unheld") { $0.phase = .queued }
    }

    package func prioritize(_ selection: JobSelection, priority: Int) async throws -> Int {
        guard priority >= -1000 && priority <= 1000 else {
            throw QueueError(.invalid, "priority \(priority), expected -1000 to 1000")
        }
        return try change(selection, in: [.held, .queued], "prioritized") { $0.priority = priority }
    }

    private func change(
        _ selection: JobSelection, in states: Set<JobState>, _ event: String,
        _ body: (inout MemoryJob) -> Void
    ) throws(QueueError) -> Int {
        try write { tables, now in
            let jobs = tables.selected(selection, states)
            for var job in jobs {
                body(&job)
                tables.jobs[job.id] = job
                tables.record(event, job: job.id, now)
            }
            return jobs.count
        }
    }

    package func pause(queue: String) async throws {
        guard !queue.isEmpty else { throw QueueError(.invalid, "the queue has no name") }
        try write { tables, now in
            var row = tables.queues[queue] ?? MemoryQueueRow()
            row.pausedAt = row.pausedAt ?? now
            tables.queues[queue] = row
        }
    }

    package func resume(queue: String) async throws {
        try write { tables, _ throws(QueueError) in
            guard tables.queues[queue] != nil else {
                throw QueueError(.invalid, "memory: there is no queue \(queue)")
            }
            tables.queues[queue]?.pausedAt = nil
        }
    }

    package func remaining(_ selection: JobSelection) async throws -> Int {
        read { tables, _ in tables.selected(selection, [.queued, .running]).count }
    }

    package func isDrained(_ filter: ClaimFilter) async throws -> Bool {
        read { tables, now in
            !tables.jobs.values.contains { job in
                tables.isAsked(job, filter)
                    && (job.state == .running
                        || job.state == .queued && (job.attemptsMade > 0 || job.runAt <= now))
            }
        }
    }
}

extension MemoryTables {
    /// In the order of their ids.
    func selected(
        _ selection: JobSelection, _ states: Set<JobState> = Set(JobState.allCases)
    ) -> [MemoryJob] {
        jobsInOrder.filter { job in
            guard states.contains(job.state) else { return false }
            if !selection.ids.isEmpty && !selection.ids.contains(where: { $0.contains(job.id) }) {
                return false
            }
            if !selection.states.isEmpty && !selection.states.contains(job.state) { return false }
            if let batch = selection.batch, batch != batches[job.batch]?.spec.name { return false }
            let classes = selection.errorClasses
            if !classes.isEmpty && !classes.contains(where: { $0 == job.failure?.errorClass }) {
                return false
            }
            if let customID = selection.customID, customID != job.item.customID { return false }
            if let model = selection.modelSHA256, model != configs[job.config]?.modelSHA256 {
                return false
            }
            if let since = selection.endedSince?.milliseconds {
                return job.finishedAt.map { $0 >= since } == true
            }
            return true
        }
    }
}
