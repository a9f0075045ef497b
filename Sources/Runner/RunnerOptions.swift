package import Foundation
package import Jobs

/// How a worker works; the values are the command line's defaults.
package struct RunnerOptions: Sendable {
    /// How long a claim lasts without a heartbeat.
    package var lease: Duration = .seconds(60)
    package var heartbeat: Duration = .seconds(15)
    /// Where the queue may give a job to another machine when its lease ends, a job is given up this
    /// long before that.
    package var fenceMargin: Duration = .seconds(15)
    /// Jobs of one video that are claimed together, decoded and encoded once.
    package var group = 8
    package var pollInterval: Duration = .seconds(2)
    package var filter = ClaimFilter()
    package var retry = RetryPolicy()

    // MARK: When to end

    /// End when nothing is left that could still run, instead of waiting for more.
    package var drain = false
    /// End after this many claimed jobs.
    package var maxJobs: Int?
    /// Begin nothing from this time on, and nothing that would probably take longer: nine of ten recent
    /// jobs took less than what is left.
    package var until: Date?
    /// Like `until`, from the start of the run.
    package var maxTime: Duration?
    /// End when there was nothing to claim for this long.
    package var idleExit: Duration?
    /// End when so many jobs have failed, succeeded or ended.
    package var halt: HaltPolicy?
    /// How long the job in hand may go on after the first request to stop.
    package var grace: Duration = .seconds(600)
    /// How long an engine may take to end after its job was given up. An engine that hangs is not
    /// waited for longer: the run ends with `RunSummary.Reason.hung`.
    package var engineGrace: Duration = .seconds(60)

    // MARK: Files

    /// Nothing is claimed while less than this is free, in bytes, where the queue or the answers journal
    /// is: the run ends with a `QueueError` of kind `full`. 0 does not look.
    package var minFree: Int64 = 512 << 20
    /// What is free there; `nil` when it cannot be told.
    package var freeBytes: @Sendable (_ folder: String) -> Int64? = { FreeSpace.bytes(at: $0) }
    /// A folder on the queue's filesystem; `nil` where the queue is elsewhere.
    package var queueFolder: String?
    /// Where answers are written down before they go to the queue; `nil` does without.
    package var journalFolder: String?
    /// Where each attempt has its log; `nil` writes none.
    package var logFolder: String?
    /// Prometheus' text file, written every 15 s and at the end; `nil` writes none.
    package var metricsFile: String?

    package init() {}
}

/// Time as the runner sees it; tests put their own in.
package struct RunnerClock: Sendable {
    package var now: @Sendable () -> Date
    /// Never goes back and is never set: for what lasts.
    package var uptime: @Sendable () -> Duration
    /// Returns early, without an error, when the task is cancelled.
    package var sleep: @Sendable (Duration) async -> Void

    /// - Parameter uptime: `nil` takes it from `now`
    package init(
        now: @escaping @Sendable () -> Date, uptime: (@Sendable () -> Duration)? = nil,
        sleep: @escaping @Sendable (Duration) async -> Void
    ) {
        self.now = now
        self.uptime = uptime ?? { .seconds(now().timeIntervalSince1970) }
        self.sleep = sleep
    }

    private static let start = ContinuousClock.now

    package static let system = RunnerClock(
        now: { Date() }, uptime: { .now - start }, sleep: { try? await Task.sleep(for: $0) })
}
