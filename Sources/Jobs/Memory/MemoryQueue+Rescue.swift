extension MemoryQueue {
    /// A worker of this host is dead when its lock is free, of others only the lease tells. Of a dead
    /// worker the begun attempts are blamed, or the first claimed when it had begun none.
    package func rescue() async throws -> [Rescued] {
        try write { tables, now in
            let lost = tables.jobs.values.compactMap { job -> LostAttempt? in
                guard let attempt = job.holder.flatMap({ tables.attempts[$0] }),
                    let worker = tables.workers[attempt.worker], let leaseEnd = job.leaseUntil
                else { return nil }
                let isDead = lives(worker).map { !$0 }
                guard isDead ?? (leaseEnd < now) else { return nil }
                return LostAttempt(attempt: attempt, isDead: isDead ?? false)
            }.sorted { $0.attempt.id < $1.attempt.id }

            let guilty = Set(lost.map(\.attempt.worker)).flatMap { tables.guilty(of: $0) }
            return lost.compactMap {
                tables.takeBack($0, isBlamed: guilty.contains($0.attempt.id), now)
            }
        }
    }

    /// `nil` when it cannot be known.
    func lives(_ worker: MemoryWorker) -> Bool? {
        let isHere = HostIdentity(host: worker.info.host, bootID: worker.info.bootID) == host
        return seesLives && isHere ? worker.isAlive : nil
    }
}

private struct LostAttempt {
    var attempt: MemoryAttempt
    /// Its worker is known to be dead; else only the lease has run out.
    var isDead: Bool
}

extension MemoryTables {
    /// Which attempts are to blame when this worker dies.
    fileprivate func guilty(of worker: WorkerID) -> [AttemptID] {
        let inHand = jobs.values.compactMap(\.holder).compactMap { attempts[$0] }
            .filter { $0.worker == worker }.sorted { $0.id < $1.id }
        let begun = inHand.filter { $0.begunAt != nil }
        return (begun.isEmpty ? Array(inHand.prefix(1)) : begun).map(\.id)
    }

    fileprivate mutating func takeBack(
        _ lost: LostAttempt, isBlamed: Bool, _ now: Int64
    ) -> Rescued? {
        let attempt = lost.attempt.id
        guard var job = holding(attempt) else { return nil }
        if lost.isDead { bury(lost.attempt.worker, now) }
        if isBlamed { job.crashes += 1 }
        let death = Failure(
            errorClass: .crash, code: "worker_died",
            message: "the worker died while it ran this job (\(job.crashes) of "
                + "\(job.item.maxCrashes) times)",
            stage: job.stage)
        close(attempt, isBlamed ? "crashed" : "interrupted", isBlamed ? death : nil, now)
        if !isBlamed { attempts[attempt]?.errorMessage = "the worker died on another job" }

        let fate: Rescued.Fate
        if job.isUnwanted {
            fate = .cancelled
            end(job, .cancelled, .cancelled, now)
        } else if isBlamed && job.crashes >= job.item.maxCrashes {
            fate = .quarantined
            end(job, .failed, death, now)
        } else {
            fate = .requeued
            // A crash is counted as one and not as an attempt, too.
            job.attemptsMade -= 1
            requeue(job, at: now)
        }
        record("rescued_\(fate)", job: job.id, attempt: attempt, now)
        return Rescued(job: job.id, attempt: attempt, fate: fate)
    }

    mutating func bury(_ worker: WorkerID, _ now: Int64) {
        guard workers[worker]?.stop == nil else { return }
        workers[worker]?.stop = (now, "died")
    }
}
