import Foundation
import Jobs
import Synchronization

/// Keeps one claim alive from the moment it is made, on a task of its own: also while the job waits
/// its turn, and while the engine is busy.
final class AttemptLease: Sendable {
    private struct State {
        var stage: String?
        var progress: Double?
        var until: Date
    }

    let claim: Claim
    /// Set when the job is no longer to be worked on.
    let takenAway = Latch<Interruption>()
    private let state: Mutex<State>
    private let heart = Latch<Task<Void, Never>>()

    init(_ claim: Claim) {
        self.claim = claim
        state = Mutex(State(until: claim.leaseUntil))
    }

    var stage: String? { state.withLock { $0.stage } }
    var until: Date { state.withLock { $0.until } }

    /// Where the job is; told to the queue with the next heartbeat.
    func note(stage: String, progress: Double) {
        state.withLock { ($0.stage, $0.progress) = (stage, progress) }
    }

    func start(
        _ queue: any QueueBackend, as worker: WorkerID, _ options: RunnerOptions,
        _ clock: RunnerClock
    ) {
        heart.set(
            Task {
                while !Task.isCancelled, takenAway.value == nil {
                    await clock.sleep(options.heartbeat)
                    if Task.isCancelled { return }
                    await beat(queue, worker, options.lease, clock)
                }
            })
    }

    private func beat(
        _ queue: any QueueBackend, _ worker: WorkerID, _ lease: Duration, _ clock: RunnerClock
    ) async {
        let (stage, progress) = state.withLock { ($0.stage, $0.progress) }
        do {
            let live = LiveAttempt(claim.attempt, progress: progress, stage: stage)
            switch try await queue.heartbeat(worker, [live], lease: lease)[claim.attempt] {
            case .ok(let leaseUntil): state.withLock { $0.until = leaseUntil }
            case .cancelRequested: takenAway.set(.cancelRequested)
            case .lost, nil: takenAway.set(.leaseLost)
            }
        } catch {
            // The queue may be back at the next beat. Until the lease has run out nobody else has
            // the job, and what was computed can still be stored.
            if until < clock.now() { takenAway.set(.leaseLost) }
        }
    }

    func stop() { heart.value?.cancel() }
}
