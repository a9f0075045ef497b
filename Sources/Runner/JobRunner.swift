import Foundation
package import Jobs

/// A worker: claims jobs and answers them, one after the other, the next one being prepared meanwhile.
///
/// A job's error ends that job only. `run` throws when the queue itself fails: a database that is
/// corrupt, full or gone.
package actor JobRunner<Engine: JobEngine> {
    let queue: any QueueBackend
    let engine: Engine
    let worker: WorkerInfo
    let options: RunnerOptions
    let clock: RunnerClock
    let observer: (any RunObserver)?

    var summary = RunSummary()
    /// Set when the queue failed in a way that ends the run.
    var fatal: QueueError?
    /// When the last of the jobs that this worker failed may run again.
    var lastRetry: Date?

    package init(
        queue: any QueueBackend, engine: Engine, worker: WorkerInfo,
        options: RunnerOptions = RunnerOptions(), clock: RunnerClock = .system,
        observer: (any RunObserver)? = nil
    ) {
        self.queue = queue
        self.engine = engine
        self.worker = worker
        self.options = options
        self.clock = clock
        self.observer = observer
    }

    /// Works until the options or `stop` say to end.
    ///
    /// - Throws: `QueueError`
    package func run(stop: StopSignal = StopSignal()) async throws -> RunSummary {
        let id = try await queue.register(worker)
        observer?.handle(.registered(id))
        await work(as: id, stop)
        if let signal = stop.second.value { summary.reason = .forced(signal) }
        // The lock is given up even when the row cannot be written: rescue tells by the lock.
        let reason = fatal.map(\.message) ?? "\(summary.reason)"
        do {
            try await queue.unregister(id, reason: reason)
            if fatal == nil, !stop.isForced { try await queue.maintain() }
        } catch {
            observer?.handle(.notice("\(error)"))
        }
        if let fatal { throw fatal }
        return summary
    }

    private func work(as id: WorkerID, _ stop: StopSignal) async {
        await rescue()
        var current = await next(id, stop, after: nil)
        while let job = current {
            let done = Latch<Void>()
            // One job ahead, bounded by construction.
            async let upcoming = next(id, stop, after: done)
            await perform(job, stop)
            done.set(())
            current = await upcoming
        }
    }

    /// A claimed job with what its engine needs.
    struct PreparedJob: Sendable {
        let lease: AttemptLease
        let input: Engine.Prepared
        let spent: Duration
    }

    /// Claims and prepares one job. Jobs that cannot be prepared are failed here, and the next one is
    /// tried. Waits while there is none, and returns `nil` when the run is over.
    private func next(
        _ id: WorkerID, _ stop: StopSignal, after done: Latch<Void>?
    ) async -> PreparedJob? {
        while let claim = await claimNext(id, stop, after: done) {
            let lease = AttemptLease(claim)
            lease.start(queue, as: id, options, clock)
            lease.note(stage: "decode", progress: 0)
            let started = ContinuousClock.now
            let run = await supervise(
                lease, budget: claim.timeout, stop: { await stop.first.wait() != nil }
            ) { [engine] in try await engine.prepare(claim) }
            switch run.result {
            case .success(let input):
                // The request to stop may have come with the last frame.
                if stop.isRequested {
                    await settle(lease, Interruption.stopped)
                } else {
                    return PreparedJob(lease: lease, input: input, spent: .now - started)
                }
            case .failure(let error): await settle(lease, error)
            }
            if !stop.isForced { await run.finished() }
        }
        return nil
    }

    /// Answers one job and tells the queue. Never throws: whatever happens ends in the job's row.
    private func perform(_ job: PreparedJob, _ stop: StopSignal) async {
        let (lease, claim) = (job.lease, job.lease.claim)
        if stop.isRequested || fatal != nil {
            // Prepared beside the job in hand, never begun.
            return await settle(lease, Interruption.stopped)
        }
        do {
            guard try await queue.start(claim.attempt) else {
                return await settle(lease, Interruption.leaseLost)
            }
        } catch {
            observer?.handle(.notice("\(error)"))
        }
        observer?.handle(.started(claim))
        let run = await supervise(
            lease, budget: claim.timeout - job.spent, stop: { [self] in await isOver(stop) }
        ) { [engine, observer] in
            try await engine.answer(claim, job.input) { stage, fraction in
                lease.note(stage: stage, progress: fraction)
                observer?.handle(.progress(claim, stage: stage, fraction: fraction))
            }
        }
        await settle(lease, run.result)
        // The engine winds down at its next progress point; two answers never overlap. Only a forced
        // stop does not wait.
        if !stop.isForced { await run.finished() }
    }

    /// Whether the job in hand must end: asked a second time, or the grace after the first is over.
    private nonisolated func isOver(_ stop: StopSignal) async -> Bool {
        guard await stop.first.wait() != nil else { return false }
        await withTaskGroup { group in
            group.addTask { _ = await stop.second.wait() }
            group.addTask { [clock, options] in await clock.sleep(options.grace) }
            await group.next()
            group.cancelAll()
        }
        return !Task.isCancelled
    }
}
