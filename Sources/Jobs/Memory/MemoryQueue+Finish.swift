package import Foundation

extension MemoryQueue {
    package func complete(_ attempt: AttemptID, _ answer: Answer) async throws -> Finish {
        try write { tables, now throws(QueueError) in
            guard let job = tables.holding(attempt) else {
                let isStored = tables.answers.values.contains { $0.attempt == attempt }
                return isStored ? .alreadyStored : tables.loseLease(attempt, now)
            }
            try answer.refuseNonsense(job.id)
            tables.answer(job, answer, attempt, now)
            return .stored
        }
    }

    package func fail(
        _ attempt: AttemptID, _ failure: Failure, retryAt: Date?
    ) async throws -> Finish {
        try write { tables, now in
            guard let job = tables.holding(attempt) else {
                return tables.repeated(attempt, ["failed", "timeout", "cancelled"], now)
            }
            let outcome =
                switch failure.errorClass {
                case .timeout: "timeout"
                case .cancelled: "cancelled"
                default: "failed"
                }
            tables.close(attempt, outcome, failure, now)
            let mayRunAgain =
                failure.errorClass != .input && job.attemptsMade < job.item.maxAttempts
            if job.isUnwanted || failure.errorClass == .cancelled {
                tables.end(job, .cancelled, failure, now)
            } else if let retryAt, mayRunAgain {
                tables.requeue(job, at: retryAt.milliseconds)
            } else {
                tables.end(job, .failed, failure, now)
            }
            return .stored
        }
    }

    package func release(_ attempt: AttemptID, reason: String) async throws -> Finish {
        try write { tables, now in
            guard var job = tables.holding(attempt) else {
                return tables.repeated(attempt, ["interrupted"], now)
            }
            tables.close(
                attempt, "interrupted",
                Failure(errorClass: .internal, code: "interrupted", message: reason), now)
            if job.isUnwanted {
                tables.end(job, .cancelled, .cancelled, now)
            } else {
                // An interruption is no attempt.
                job.attemptsMade -= 1
                tables.requeue(job, at: now)
            }
            return .stored
        }
    }
}

extension MemoryTables {
    /// The job has its answer.
    mutating func answer(_ job: MemoryJob, _ answer: Answer, _ attempt: AttemptID, _ now: Int64) {
        var job = job
        job.phase = .succeeded
        job.progress = 1
        job.stage = nil
        job.failure = nil
        job.finishedAt = now
        jobs[job.id] = job
        answers[job.id] = MemoryAnswer(
            attempt: attempt, answer: answer.storable, recordedAt: now)
        close(attempt, "succeeded", nil, now)
    }

    mutating func close(
        _ attempt: AttemptID, _ outcome: String, _ failure: Failure?, _ now: Int64
    ) {
        guard var row = attempts[attempt] else { return }
        let failure = failure?.storable
        row.outcome = outcome
        row.endedAt = now
        row.errorClass = failure?.errorClass
        row.errorCode = failure?.code
        row.errorMessage = failure?.message
        row.stage = failure?.stage
        attempts[attempt] = row
    }

    mutating func requeue(_ job: MemoryJob, at time: Int64) {
        var job = job
        job.phase = .queued
        job.runAt = time
        job.progress = nil
        job.stage = nil
        jobs[job.id] = job
    }

    /// Failed for good, or cancelled.
    mutating func end(
        _ job: MemoryJob, _ phase: MemoryJob.Phase, _ failure: Failure, _ now: Int64
    ) {
        var job = job
        let failure = failure.storable
        job.phase = phase
        job.failure = failure
        job.stage = failure.stage ?? job.stage
        job.finishedAt = now
        jobs[job.id] = job
    }

    /// The attempt holds its job no more: the same call went through before, or the lease is lost.
    fileprivate mutating func repeated(
        _ attempt: AttemptID, _ outcomes: Set<String>, _ now: Int64
    ) -> Finish {
        if let outcome = attempts[attempt]?.outcome, outcomes.contains(outcome) {
            return .alreadyStored
        }
        return loseLease(attempt, now)
    }

    /// A worker that was taken for dead reports: its attempt was no crash after all.
    fileprivate mutating func loseLease(_ attempt: AttemptID, _ now: Int64) -> Finish {
        if var row = attempts[attempt], row.outcome == nil || row.outcome == "crashed" {
            row.outcome = "lease_lost"
            row.endedAt = row.endedAt ?? now
            attempts[attempt] = row
        }
        return .leaseLost
    }
}

extension Answer {
    /// Without the character U+0000.
    fileprivate var storable: Answer {
        var answer = self
        answer.answer = self.answer.withoutNUL
        answer.choice = choice?.withoutNUL
        return answer
    }

    func refuseNonsense(_ job: JobID) throws(QueueError) {
        let counts = [attnFLOPsDense, attnFLOPsUsed, llmFLOPsDense, llmFLOPsUsed]
        let ratio = keptTokenRatioMean ?? 0
        let json = extraJSON.map { Data("[\($0)]".utf8) } ?? Data("[]".utf8)
        guard counts.allSatisfy({ $0 >= 0 }), ratio >= 0 && ratio <= 1, !totalMS.isNaN,
            (try? JSONSerialization.jsonObject(with: json)) != nil
        else { throw QueueError(.invalid, "memory: the answer to job \(job) makes no sense") }
    }
}
