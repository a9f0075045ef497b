package import Foundation
package import Jobs

/// What a run tells whoever shows it: a progress bar, plain lines, a test.
package protocol RunObserver: Sendable {
    func handle(_ event: RunEvent)
}

/// Tells several.
package struct RunObservers: RunObserver {
    package var all: [any RunObserver]
    package init(_ all: [any RunObserver]) { self.all = all }
    package func handle(_ event: RunEvent) { for observer in all { observer.handle(event) } }
}

package enum RunEvent: Sendable {
    case registered(WorkerID)
    case rescued([Rescued])
    /// Claimed, and being prepared beside the job in hand.
    case claimed(Claim)
    case started(Claim)
    case progress(Claim, stage: String, fraction: Double)
    case finished(Claim, Outcome)
    /// Nothing can be claimed at the moment.
    case idle
    /// Something that a person should know and that fails no job.
    case notice(String)

    package enum Outcome: Sendable {
        case succeeded(Answer)
        /// Failed for good when `retryAt` is `nil`.
        case failed(Failure, retryAt: Date?)
        case cancelled
        /// Given back; the attempt does not count.
        case interrupted(reason: String)
        /// The lease was lost: the job is somebody else's, and this attempt's result was dropped.
        case lost
    }
}

/// What became of the jobs of one `JobRunner.run`.
package struct RunSummary: Sendable, Equatable {
    package enum Reason: Sendable, Equatable {
        case drained, maxJobs, until, maxTime
        /// There was nothing to claim for `RunnerOptions.idleExit`.
        case idle
        /// `RunnerOptions.halt` was reached: exit code 6.
        case halted
        /// The engine did not end when its job was given up. It still runs: the process must end at once
        /// (`_exit`, code 1), and its supervisor start another.
        case hung
        /// Stopped on request, the job in hand finished or given back; the signal's number.
        case stopped(Int32)
        /// Asked a second time: the job in hand was given up.
        case forced(Int32)
    }

    package var claimed = 0
    package var succeeded = 0
    /// Failed for good.
    package var failed = 0
    /// Failed, to be tried again.
    package var retried = 0
    package var cancelled = 0
    package var interrupted = 0
    package var lost = 0
    /// Answered, and the answer is still only in the journal.
    package var journalled = 0
    /// Answers of journals that the queue took in: this worker's, or those of workers that died.
    package var readmitted = 0
    package var reason: Reason = .drained

    package init() {}
}
