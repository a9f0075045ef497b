import Foundation
import Jobs

extension JobRunner {
    /// Tells the queue how an attempt ended, and counts it.
    func settle(_ lease: AttemptLease, _ result: Result<Answer, any Error>) async {
        switch result {
        case .success(let answer):
            await store(lease, .succeeded(answer)) { [queue] in
                try await queue.complete(lease.claim.attempt, answer)
            }
            lease.stop()
        case .failure(let error): await settle(lease, error)
        }
    }

    func settle(_ lease: AttemptLease, _ error: any Error) async {
        if let interruption = error as? Interruption {
            await settle(lease, interrupted: interruption)
        } else {
            await fail(lease, JobFailure(error, stage: lease.stage))
        }
        lease.stop()
    }

    private func settle(_ lease: AttemptLease, interrupted reason: Interruption) async {
        switch reason {
        case .leaseLost: count(lease.claim, .lost)
        case .stopped:
            await store(lease, .interrupted(reason: "\(reason)")) { [queue] in
                try await queue.release(lease.claim.attempt, reason: "\(reason)")
            }
        case .cancelRequested:
            let failure = JobFailure(reason, stage: lease.stage).failure
            await store(lease, .cancelled) { [queue] in
                try await queue.fail(lease.claim.attempt, failure, retryAt: nil)
            }
        case .timedOut: await fail(lease, JobFailure(reason, stage: lease.stage))
        }
    }

    private func fail(_ lease: AttemptLease, _ problem: JobFailure) async {
        let claim = lease.claim
        var generator = SystemRandomNumberGenerator()
        let delay =
            problem.isPermanent
            ? nil
            : options.retry.delay(
                after: problem.failure, attempt: claim.number, of: claim.maxAttempts,
                using: &generator)
        let retryAt = delay.map { clock.now().addingTimeInterval($0 / .seconds(1)) }
        if let retryAt { lastRetry = max(lastRetry ?? retryAt, retryAt) }
        await store(lease, .failed(problem.failure, retryAt: retryAt)) { [queue] in
            try await queue.fail(claim.attempt, problem.failure, retryAt: retryAt)
        }
    }

    /// Tries until the queue takes it or the lease is over: a finished answer is worth waiting for.
    private func store(
        _ lease: AttemptLease, _ outcome: RunEvent.Outcome,
        _ call: @Sendable () async throws -> Finish
    ) async {
        var wait = Duration.milliseconds(200)
        while true {
            do {
                switch try await call() {
                case .stored, .alreadyStored: count(lease.claim, outcome)
                case .leaseLost: count(lease.claim, .lost)
                }
                return
            } catch {
                let problem = error as? QueueError ?? QueueError(.unavailable, "\(error)")
                observer?.handle(.notice("job \(lease.claim.job): \(problem.message)"))
                let isTransient =
                    problem.kind == .busy || problem.kind == .unavailable
                    || problem.kind == .full
                guard isTransient, lease.takenAway.value == nil, clock.now() < lease.until else {
                    count(lease.claim, .lost)
                    // A row that the queue refuses is that job's trouble, not the run's.
                    if problem.kind != .invalid, problem.kind != .lost { fatal = problem }
                    return
                }
            }
            await clock.sleep(wait)
            wait = min(wait * 2, .seconds(5))
        }
    }

    private func count(_ claim: Claim, _ outcome: RunEvent.Outcome) {
        switch outcome {
        case .succeeded: summary.succeeded += 1
        case .failed(_, let retryAt):
            if retryAt == nil { summary.failed += 1 } else { summary.retried += 1 }
        case .cancelled: summary.cancelled += 1
        case .interrupted: summary.interrupted += 1
        case .lost: summary.lost += 1
        }
        observer?.handle(.finished(claim, outcome))
    }
}
