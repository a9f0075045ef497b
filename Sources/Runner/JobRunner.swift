import Foundation
package import Jobs

/// A worker: claims the jobs of one video at a time and answers them one after the other, the next video
/// being prepared meanwhile.
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
    let busy = BusyTime()
    let began: Duration

    var summary = RunSummary()
    /// Set when the queue failed in a way that ends the run.
    var fatal: QueueError?
    /// Set when the engine did not end although its job was given up.
    var isHung = false
    /// Set when `RunnerOptions.halt` was reached.
    var isHalted = false
    /// Set when nothing more is to be prepared, whatever the reason.
    let isEnding = Latch<Void>()
    var stop = StopSignal()
    var heart: Heart?
    var pace = JobPace()
    var journal: AnswerJournal?
    /// Attempts of this run whose answers stand only in the journal.
    var unstored: Set<AttemptID> = []

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
        began = clock.uptime()
    }

    /// Works until the options or `stop` say to end.
    ///
    /// - Throws: `QueueError`
    package func run(stop: StopSignal = StopSignal()) async throws -> RunSummary {
        self.stop = stop
        let id = try await queue.register(worker)
        observer?.handle(.registered(id))
        let heart = Heart(queue, id, options, clock, busy)
        self.heart = heart
        heart.start()
        let metrics = startMetrics()
        await begin()
        await work(as: id)
        if let signal = stop.second.value { summary.reason = .forced(signal) }
        if isHung { summary.reason = .hung }
        heart.stop()
        await end(id, isQuick: stop.isForced || isHung)
        await metrics?.end()
        if let fatal { throw fatal }
        return summary
    }

    private func begin() async {
        // Answers that were left before what could be answered again: first of all.
        do { _ = try await takeBack(waits: true) } catch {
            // The claim that follows meets the same trouble and decides.
            observer?.handle(.notice("\(error)"))
        }
        guard let folder = options.journalFolder else { return }
        do { journal = try AnswerJournal(folder: folder, name: worker.name) } catch {
            observer?.handle(.notice(error.message))
            end(with: error)
        }
    }

    private func end(_ id: WorkerID, isQuick: Bool) async {
        if !isQuick { await storeAgain() }
        // The lock is given up even when the row cannot be written: rescue tells by the lock.
        let reason = fatal.map(\.message) ?? "\(summary.reason)"
        do {
            try await queue.unregister(id, reason: reason)
            if fatal == nil, !isQuick { try await queue.maintain() }
        } catch {
            observer?.handle(.notice("\(error)"))
        }
        journal?.close()
    }

    private func work(as id: WorkerID) async {
        var current = await next(id, after: nil)
        while let group = current {
            if group.isSuspect {
                // It may take the worker with it: nothing else is in hand meanwhile.
                await perform(group)
                current = await next(id, after: nil)
                continue
            }
            let done = Latch<Void>()
            // One group ahead, bounded by construction.
            async let upcoming = next(id, after: done)
            await perform(group)
            done.set(())
            current = await upcoming
        }
    }

    /// Claims and prepares the jobs of one video. Jobs that cannot be prepared are failed here, and the
    /// next ones are tried. Waits while there are none, and returns `nil` when the run is over.
    private func next(
        _ id: WorkerID, after done: Latch<Void>?
    ) async -> PreparedGroup? {
        while let leases = await claimNext(id, after: done) {
            // What crashed a worker before is prepared when nothing else is in hand.
            if leases.contains(where: { $0.claim.crashes > 0 }), let done { _ = await done.wait() }
            if let group = await prepare(leases) { return group }
        }
        return nil
    }
}

extension WorkerInfo {
    /// For people and file names; unlike the queue's own, without what tells runs of one process apart.
    package var name: String { "\(host.replacing("/", with: "_"))-\(pid)" }
}
