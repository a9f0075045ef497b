package import Foundation
package import Jobs

/// How a worker works; the values are the command line's defaults.
package struct RunnerOptions: Sendable {
    /// How long a claim lasts without a heartbeat.
    package var lease: Duration = .seconds(60)
    package var heartbeat: Duration = .seconds(15)
    /// End when nothing is left that could still run, instead of waiting for more.
    package var drain = false
    /// End after this many claimed jobs.
    package var maxJobs: Int?
    /// Claim nothing from this time on.
    package var until: Date?
    package var pollInterval: Duration = .seconds(2)
    /// How long the job in hand may go on after the first request to stop.
    package var grace: Duration = .seconds(600)
    package var filter = ClaimFilter()
    package var retry = RetryPolicy()

    package init() {}
}

/// Time as the runner sees it; tests put their own in.
package struct RunnerClock: Sendable {
    package var now: @Sendable () -> Date
    /// Returns early, without an error, when the task is cancelled.
    package var sleep: @Sendable (Duration) async -> Void

    package init(
        now: @escaping @Sendable () -> Date, sleep: @escaping @Sendable (Duration) async -> Void
    ) {
        self.now = now
        self.sleep = sleep
    }

    package static let system = RunnerClock(
        now: { Date() }, sleep: { try? await Task.sleep(for: $0) })
}
