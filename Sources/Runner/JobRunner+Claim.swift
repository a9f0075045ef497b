import Jobs

extension JobRunner {
    /// The next job; waits while there is none. `nil` when the run is over.
    func claimNext(
        _ id: WorkerID, _ stop: StopSignal, after done: Latch<Void>?
    ) async -> Claim? {
        var isIdle = false
        var failures = 0
        while fatal == nil {
            if let reason = reasonToEnd(stop) {
                summary.reason = reason
                return nil
            }
            do {
                if let claim = try await queue.claim(
                    id, filter: options.filter, lease: options.lease)
                {
                    summary.claimed += 1
                    observer?.handle(.claimed(claim))
                    return claim
                }
                if try await queue.rescue().isEmpty {
                    if options.drain, try await isDrained() {
                        summary.reason = .drained
                        return nil
                    }
                    if !isIdle {
                        isIdle = true
                        observer?.handle(.idle)
                        // Readers are few and writers wait anyway: the time to shorten the log.
                        try await queue.maintain()
                    }
                    await pause(options.pollInterval, stop, or: done)
                }
                failures = 0
            } catch {
                failures += 1
                guard let error = failing(error, times: failures) else {
                    await pause(options.pollInterval, stop, or: nil)
                    continue
                }
                fatal = error
            }
        }
        return nil
    }

    private func reasonToEnd(_ stop: StopSignal) -> RunSummary.Reason? {
        if let signal = stop.first.value { return .stopped(signal) }
        if let limit = options.maxJobs, summary.claimed >= limit { return .maxJobs }
        if let until = options.until, clock.now() >= until { return .until }
        return nil
    }

    /// Nothing is left that this worker could still be given: no job waiting (now or after a back-off),
    /// and none running, here or elsewhere, that its worker's death could bring back. Jobs that are to
    /// start at a later time do not count.
    private func isDrained() async throws -> Bool {
        if options.filter.modelSHA256 == nil {
            return try await queue.status(batch: nil).allSatisfy {
                $0.ready + $0.retrying + $0.running + $0.orphaned == 0
            }
        }
        // Counts by model are not to be had: what this worker itself has in hand or will retry.
        let settled =
            summary.succeeded + summary.failed + summary.retried + summary.cancelled
            + summary.interrupted + summary.lost
        return settled == summary.claimed && (lastRetry.map { $0 < clock.now() } ?? true)
    }

    /// Waits for a while, or until the job in hand is done, or until asked to stop.
    private func pause(_ time: Duration, _ stop: StopSignal, or done: Latch<Void>?) async {
        await withTaskGroup { [clock] group in
            group.addTask { await clock.sleep(time) }
            group.addTask { _ = await stop.first.wait() }
            if let done, done.value == nil { group.addTask { _ = await done.wait() } }
            await group.next()
            group.cancelAll()
        }
    }

    func rescue() async {
        do {
            let rescued = try await queue.rescue()
            if !rescued.isEmpty { observer?.handle(.rescued(rescued)) }
        } catch {
            // The claim that follows meets the same trouble and decides.
            observer?.handle(.notice("\(error)"))
        }
    }

    /// `nil` when the queue may recover: it is only busy, and has not been for long.
    func failing(_ error: any Error, times: Int) -> QueueError? {
        let error = error as? QueueError ?? QueueError(.unavailable, "\(error)")
        observer?.handle(.notice(error.message))
        return error.kind == .busy && times < 10 ? nil : error
    }
}
