import Foundation
import Jobs

extension JobRunner {
    /// The next jobs, all of one video; waits while there are none. `nil` when the run is over.
    func claimNext(_ id: WorkerID, after done: Latch<Void>?) async -> [AttemptLease]? {
        var idleSince: Duration?
        var isIdle = false
        var failures = 0
        while fatal == nil, !isHung {
            if let reason = reasonToEnd ?? (hasIdled(since: idleSince) ? .idle : nil) {
                summary.reason = reason
                return nil
            }
            if let shortage {
                observer?.handle(.notice(shortage.message))
                end(with: shortage)
                return nil
            }
            do {
                let asked = clock.uptime()
                let claims = try await claim(id)
                failures = 0
                await storeAgain()
                if !claims.isEmpty { return take(claims, asked: asked) }
                if try await takeBack(waits: false).isEmpty {
                    if options.drain, try await queue.isDrained(options.filter) {
                        summary.reason = .drained
                        return nil
                    }
                    if !isIdle {
                        isIdle = true
                        observer?.handle(.idle)
                        // Readers are few and writers wait anyway: the time to shorten the log.
                        try await queue.maintain()
                    }
                    // While a job is in hand the worker is not idle.
                    let isAlone = done == nil || done?.value != nil
                    idleSince = isAlone ? idleSince ?? clock.uptime() : nil
                    await pause(wait, or: done)
                }
            } catch {
                failures += 1
                guard let error = failing(error, times: failures) else {
                    await pause(options.pollInterval * min(failures, 5), or: nil)
                    continue
                }
                end(with: error)
            }
        }
        return nil
    }

    private func claim(_ id: WorkerID) async throws -> [Claim] {
        let limit = claimLimit
        return try await busy.timing { [queue, options] in
            try await queue.claim(id, filter: options.filter, limit: limit, lease: options.lease)
        }
    }

    private func take(_ claims: [Claim], asked: Duration) -> [AttemptLease] {
        let leases = claims.map { claim in
            AttemptLease(
                claim, asked: asked,
                log: options.logFolder.flatMap {
                    AttemptLog(folder: $0, claim, worker: worker.name, clock: clock)
                })
        }
        heart?.add(leases)
        summary.claimed += claims.count
        for claim in claims { observer?.handle(.claimed(claim)) }
        return leases
    }

    /// How many jobs a claim asks for.
    private var claimLimit: Int {
        var limit = max(1, options.group)
        if let most = options.maxJobs { limit = min(limit, max(1, most - summary.claimed)) }
        if let left = timeLeft, let p90 = pace.p90, p90 > .zero {
            limit = min(limit, max(1, Int(min(left / p90, 1e6))))
        }
        return limit
    }

    private var reasonToEnd: RunSummary.Reason? {
        if let signal = stop.first.value { return .stopped(signal) }
        if isHalted { return .halted }
        if let limit = options.maxJobs, summary.claimed >= limit { return .maxJobs }
        return isOutOfTime ? outOfTimeReason : nil
    }

    /// Until nothing may begin any more; `nil` for ever.
    private var timeLeft: Duration? {
        let until = options.until.map { Duration.seconds($0.timeIntervalSince(clock.now())) }
        let rest = options.maxTime.map { $0 - (clock.uptime() - began) }
        return [until, rest].compactMap(\.self).min()
    }

    /// A job that begins now would probably not end in time.
    var isOutOfTime: Bool {
        guard let timeLeft else { return false }
        return timeLeft <= .zero || timeLeft < pace.p90 ?? .zero
    }

    private var outOfTimeReason: RunSummary.Reason {
        guard let until = options.until else { return .maxTime }
        guard let maxTime = options.maxTime else { return .until }
        let rest = maxTime - (clock.uptime() - began)
        return rest < .seconds(until.timeIntervalSince(clock.now())) ? .maxTime : .until
    }

    private func hasIdled(since start: Duration?) -> Bool {
        guard let start, let limit = options.idleExit else { return false }
        return clock.uptime() - start >= limit
    }

    private var shortage: QueueError? {
        FreeSpace.shortage(
            [options.queueFolder, options.journalFolder].compactMap(\.self),
            least: options.minFree, bytes: options.freeBytes)
    }

    func end(with problem: QueueError) {
        fatal = fatal ?? problem
        isEnding.set(())
    }

    /// Workers on many machines do not all ask at once.
    private var wait: Duration {
        queue.capabilities.isMultiHost
            ? options.pollInterval * Double.random(in: 0.8...1.2) : options.pollInterval
    }

    /// Waits for a while, until there may be work, until the job in hand is done, or until asked to
    /// stop.
    private func pause(_ time: Duration, or done: Latch<Void>?) async {
        await withTaskGroup { [clock, queue, stop, isEnding] group in
            group.addTask { await clock.sleep(time) }
            group.addTask { _ = await stop.first.wait() }
            group.addTask { _ = await isEnding.wait() }
            if queue.capabilities.pushesWakeups {
                group.addTask {
                    // One that fails at once must not make the worker ask without a pause.
                    if (try? await queue.waitForWork(upTo: time)) == nil { await clock.sleep(time) }
                }
            }
            if let done, done.value == nil { group.addTask { _ = await done.wait() } }
            await group.next()
            group.cancelAll()
        }
    }

    /// `nil` when the queue may recover: it is busy, or on another machine that cannot be reached, and
    /// has not been for long.
    func failing(_ error: any Error, times: Int) -> QueueError? {
        let error = error as? QueueError ?? QueueError(.unavailable, "\(error)")
        observer?.handle(.notice(error.message))
        let mayRecover =
            error.kind == .busy || error.kind == .unavailable && queue.capabilities.isMultiHost
        return mayRecover && times < 10 ? nil : error
    }
}
