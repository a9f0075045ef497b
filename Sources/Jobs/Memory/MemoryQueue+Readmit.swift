extension MemoryQueue {
    package func readmit(_ answer: JournalledAnswer) async throws -> Readmission {
        try write { tables, now throws(QueueError) in
            guard let job = tables.job(of: answer) else { return .unknownJob }
            if tables.answers[job.id] != nil { return .alreadyAnswered }
            switch job.state {
            case .running: return .running
            case .cancelled: return .cancelled
            case .succeeded: return .alreadyAnswered
            case .held, .queued, .failed: break
            }
            try answer.answer.refuseNonsense(job.id)
            let isHere = tables.attempts[answer.attempt]?.job == job.id
            let attempt =
                isHere
                ? answer.attempt
                : tables.addJournalAttempt(of: job, host: host, answer.writtenAtMS, now)
            tables.answer(job, answer.answer, attempt, now)
            tables.record("readmitted", job: job.id, attempt: attempt, now)
            return .stored
        }
    }
}

extension MemoryTables {
    /// By its number when that is the same job still, else by what was asked.
    fileprivate func job(of answer: JournalledAnswer) -> MemoryJob? {
        if let job = jobs[answer.job], job.dedupeKey == answer.dedupeKey { return job }
        return jobs.values.first {
            $0.dedupeKey == answer.dedupeKey && $0.state != .cancelled
        }
    }

    /// An answer needs an attempt; the one that made it is not known here.
    fileprivate mutating func addJournalAttempt(
        of job: MemoryJob, host: HostIdentity, _ writtenAt: Int64, _ now: Int64
    ) -> AttemptID {
        let journal = workers.values.first { $0.name == "journal" && $0.info.host == host.host }
        let worker = journal?.id ?? newID()
        if journal == nil {
            workers[worker] = MemoryWorker(
                id: worker, name: "journal",
                info: WorkerInfo(
                    host: host.host, bootID: host.bootID, pid: 0, device: "none", version: "journal"
                ),
                startedAt: now, lastSeenAt: now, stop: (now, "journal"), isAlive: false)
        }
        let attempt = newID()
        attempts[attempt] = MemoryAttempt(
            id: attempt, job: job.id, worker: worker, number: job.attemptsMade + 1,
            startedAt: writtenAt,
            heartbeatAt: writtenAt)
        return attempt
    }
}
