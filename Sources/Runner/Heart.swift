import Jobs
import Synchronization

/// Keeps all claims of a worker alive, on tasks of its own: one call of the queue at each beat, also
/// when there is nothing in hand, so that others see that the worker lives.
final class Heart: Sendable {
    private struct State {
        var leases: [AttemptLease] = []
        var tasks: [Task<Void, Never>] = []
    }

    private let queue: any QueueBackend
    private let worker: WorkerID
    private let options: RunnerOptions
    private let clock: RunnerClock
    private let busy: BusyTime
    private let state = Mutex(State())

    init(
        _ queue: any QueueBackend, _ worker: WorkerID, _ options: RunnerOptions,
        _ clock: RunnerClock, _ busy: BusyTime
    ) {
        self.queue = queue
        self.worker = worker
        self.options = options
        self.clock = clock
        self.busy = busy
    }

    func start() {
        let beating = Task {
            while !Task.isCancelled {
                await clock.sleep(options.heartbeat)
                if Task.isCancelled { return }
                await beat()
            }
        }
        // Where other machines may take a job, the lease's end is all they go by. On one machine they see
        // that this process lives, and a queue that cannot be written for a while costs no work.
        let fencing = queue.capabilities.isMultiHost ? Task { await fence() } : nil
        state.withLock { $0.tasks = [beating, fencing].compactMap(\.self) }
    }

    func stop() {
        for task in state.withLock({ $0.tasks }) { task.cancel() }
    }

    func add(_ leases: [AttemptLease]) { state.withLock { $0.leases += leases } }

    func remove(_ lease: AttemptLease) {
        state.withLock { $0.leases.removeAll { $0 === lease } }
    }

    private var leases: [AttemptLease] { state.withLock { $0.leases } }

    private func beat() async {
        let leases = leases.filter { $0.takenAway.value == nil }
        let asked = clock.uptime()
        // When it fails, the queue may be back at the next beat.
        let replies = try? await busy.timing {
            try await self.queue.heartbeat(
                self.worker, leases.map(\.live), lease: self.options.lease)
        }
        for lease in leases {
            if let reply = replies?[lease.claim.attempt] { lease.hear(reply, asked: asked) }
        }
    }

    /// Gives up what could not be prolonged, before the queue gives it to somebody else. Independent of
    /// `beat`, which may hang in a call of the queue.
    private func fence() async {
        let margin = min(options.fenceMargin, options.lease / 4)
        while !Task.isCancelled {
            var wait = options.heartbeat
            let now = clock.uptime()
            for lease in leases where lease.takenAway.value == nil {
                let left = lease.confirmed + options.lease - margin - now
                if left > .zero {
                    wait = min(wait, left)
                } else {
                    lease.takenAway.set(.fenced)
                }
            }
            await clock.sleep(max(wait, .milliseconds(5)))
        }
    }
}

/// How long calls of the queue took that ended because another process held it.
final class BusyTime: Sendable {
    private let total = Mutex(Duration.zero)

    var seconds: Double { total.withLock { $0 } / .seconds(1) }

    func timing<Value: Sendable>(
        _ call: @Sendable () async throws -> Value
    ) async throws -> Value {
        let start = ContinuousClock.now
        do {
            return try await call()
        } catch let error as QueueError where error.kind == .busy {
            total.withLock { $0 += .now - start }
            throw error
        }
    }
}
