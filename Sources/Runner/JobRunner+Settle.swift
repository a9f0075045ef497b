import Foundation
import Jobs

extension JobRunner {
    /// Marks the attempt as begun: should the worker die, it takes the blame.
    ///
    /// - Returns: whether the job is still this worker's
    func start(_ lease: AttemptLease) async -> Bool {
        let attempt = lease.claim.attempt
        for _ in 0..<3 {
            do {
                let isOurs = try await busy.timing { [queue] in try await queue.start(attempt) }
                if !isOurs {
                    await settle(lease, Interruption.leaseLost)
                    return false
                }
                await noteLog(lease)
                return true
            } catch {
                let problem = note(error, lease)
                // What cannot be marked for want of room could not be stored either.
                guard problem.isTransient, problem.kind != .full else {
                    end(with: problem)
                    await settle(lease, Interruption.stopped)
                    return false
                }
            }
            await clock.sleep(.milliseconds(200))
        }
        // The mark is for crashes only; the answer itself is worth the same without.
        return true
    }

    private func noteLog(_ lease: AttemptLease) async {
        guard let log = lease.log else { return }
        do { try await queue.noteLog(lease.claim.attempt, path: log.path) } catch {
            _ = note(error, lease)
        }
    }

    /// Tells the queue how an attempt ended, and counts it.
    func settle(_ lease: AttemptLease, _ result: Result<Answer, any Error>) async {
        switch result {
        case .success(let answer): await store(lease, answer)
        case .failure(let error): await settle(lease, error)
        }
    }

    func settle(_ lease: AttemptLease, _ error: any Error) async {
        if let interruption = error as? Interruption {
            await settle(lease, interrupted: interruption)
        } else {
            await fail(lease, JobFailure(error, stage: lease.stage))
        }
    }

    private func settle(_ lease: AttemptLease, interrupted reason: Interruption) async {
        switch reason {
        case .leaseLost, .fenced:
            // Whoever took the job back thought this worker dead: the attempt was no crash after all.
            _ = try? await queue.release(lease.claim.attempt, reason: "\(reason)")
            close(lease, .lost)
        case .stopped, .outOfTime:
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
        await store(lease, .failed(problem.failure, retryAt: retryAt)) { [queue] in
            try await queue.fail(claim.attempt, problem.failure, retryAt: retryAt)
        }
    }

    /// Written to the journal first, so that no trouble of the queue costs the answer.
    private func store(_ lease: AttemptLease, _ answer: Answer) async {
        let claim = lease.claim
        var isJournalled = false
        do {
            try journal?.append(
                JournalledAnswer(
                    job: claim.job, attempt: claim.attempt, dedupeKey: claim.dedupeKey,
                    answer: answer,
                    writtenAtMS: Int64(clock.now().timeIntervalSince1970 * 1000)))
            isJournalled = journal != nil
        } catch { _ = note(error, lease) }
        await store(lease, .succeeded(answer), isJournalled: isJournalled) { [queue] in
            try await queue.complete(claim.attempt, answer)
        }
    }

    /// Tries until the queue takes it, or says that the lease is over; a finished answer is worth waiting
    /// for. When the queue cannot be had for longer than a lease, an answer that stands in the journal
    /// stays there, and anything else is lost.
    private func store(
        _ lease: AttemptLease, _ outcome: RunEvent.Outcome, isJournalled: Bool = false,
        _ call: @escaping @Sendable () async throws -> Finish
    ) async {
        let attempt = lease.claim.attempt
        let patience = max(lease.confirmed, isJournalled ? clock.uptime() : .zero) + options.lease
        var wait = Duration.milliseconds(200)
        var shortages = 0
        while true {
            // What is told during the call may be the call's own doing: it went through, only its reply
            // did not come. The next call knows.
            let wasTold = lease.takenAway.value == .leaseLost
            do {
                let finish = try await busy.timing(call)
                if isJournalled { journal?.acknowledge(attempt) }
                close(lease, finish == .leaseLost ? .lost : outcome)
                return
            } catch {
                let problem = note(error, lease)
                if problem.kind == .full {
                    shortages += 1
                    // Also when it goes through at last: nothing more is claimed.
                    end(with: problem)
                }
                var isHopeless = isJournalled && (shortages > 2 || stop.isForced)
                // What is only given back comes back by itself when this worker has gone.
                if case .interrupted = outcome { isHopeless = isHopeless || fatal != nil }
                guard problem.isTransient, !wasTold, !isHopeless, clock.uptime() < patience else {
                    giveUp(lease, problem, isJournalled: isJournalled)
                    return
                }
            }
            await clock.sleep(wait)
            wait = min(wait * 2, .seconds(5))
        }
    }

    private func giveUp(_ lease: AttemptLease, _ problem: QueueError, isJournalled: Bool) {
        // A row that the queue refuses is that job's trouble, not the run's.
        let isRefused = problem.kind == .invalid || problem.kind == .lost
        let isTold = lease.takenAway.value == .leaseLost
        guard isJournalled, !isRefused, !isTold else {
            if isJournalled { journal?.acknowledge(lease.claim.attempt) }
            close(lease, .lost)
            if !isRefused && !isTold { end(with: problem) }
            return
        }
        unstored.insert(lease.claim.attempt)
        summary.journalled += 1
        close(lease, .interrupted(reason: "answered; the answer is kept in the journal"))
        // The next claim finds out whether the queue is back.
        if !problem.isTransient { end(with: problem) }
    }

    func note(_ error: any Error, _ lease: AttemptLease) -> QueueError {
        let problem = error as? QueueError ?? QueueError(.unavailable, "\(error)")
        observer?.handle(.notice("job \(lease.claim.job): \(problem.message)"))
        lease.log?.note(problem.message)
        return problem
    }

    private func close(_ lease: AttemptLease, _ outcome: RunEvent.Outcome) {
        heart?.remove(lease)
        switch outcome {
        case .succeeded: summary.succeeded += 1
        case .failed(_, let retryAt):
            if retryAt == nil { summary.failed += 1 } else { summary.retried += 1 }
        case .cancelled: summary.cancelled += 1
        case .interrupted: summary.interrupted += 1
        case .lost: summary.lost += 1
        }
        if options.halt?.isReached(failed: summary.failed, succeeded: summary.succeeded) == true {
            // It stays so, even if the job in hand changes the share.
            isHalted = true
            isEnding.set(())
        }
        lease.log?.end(outcome)
        observer?.handle(.finished(lease.claim, outcome))
    }
}

extension QueueError {
    /// The same call may go through later.
    var isTransient: Bool { kind == .busy || kind == .unavailable || kind == .full }
}
