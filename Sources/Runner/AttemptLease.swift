import Foundation
import Jobs
import Synchronization

/// One claim in hand, from the moment it is made: also while the job waits its turn. `Heart` keeps it
/// alive.
final class AttemptLease: Sendable {
    private struct State {
        var stage: String?
        var progress: Double?
        /// Uptime at which the queue was asked for what it granted last.
        var confirmed: Duration
    }

    let claim: Claim
    /// `nil` where no logs are written.
    let log: AttemptLog?
    /// Set when the job is no longer to be worked on.
    let takenAway = Latch<Interruption>()
    private let state: Mutex<State>

    /// - Parameter asked: uptime just before the claim was made
    init(_ claim: Claim, asked: Duration, log: AttemptLog? = nil) {
        self.claim = claim
        self.log = log
        state = Mutex(State(confirmed: asked))
    }

    var stage: String? { state.withLock { $0.stage } }
    /// The lease lasts from here, at least.
    var confirmed: Duration { state.withLock { $0.confirmed } }

    /// What the next heartbeat tells the queue.
    var live: LiveAttempt {
        state.withLock {
            LiveAttempt(claim.attempt, progress: $0.progress, stage: $0.stage)
        }
    }

    /// Where the job is; told to the queue with the next heartbeat.
    func note(stage: String, progress: Double) {
        state.withLock { ($0.stage, $0.progress) = (stage, progress) }
        log?.note(stage: stage, progress: progress)
    }

    /// - Parameter asked: uptime just before the heartbeat was sent
    func hear(_ reply: HeartbeatReply, asked: Duration) {
        switch reply {
        case .ok: state.withLock { $0.confirmed = asked }
        case .cancelRequested: takenAway.set(.cancelRequested)
        case .lost: takenAway.set(.leaseLost)
        }
    }
}
