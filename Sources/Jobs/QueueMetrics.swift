package import Foundation

/// What the Prometheus text file says of a queue.
package struct QueueMetrics: Sendable, Equatable {
    package struct JobCount: Sendable, Equatable {
        package var queue: String
        package var state: JobState
        package var count: Int

        package init(queue: String, state: JobState, count: Int) {
            self.queue = queue
            self.state = state
            self.count = count
        }
    }

    /// Upper bounds in seconds of the buckets of `durationBuckets`; a last one is unbounded.
    package static let durationBounds: [Double] = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600]

    package var jobs: [JobCount] = []
    /// Closed attempts by outcome.
    package var attempts: [String: Int] = [:]
    /// Attempts taken back from dead workers (events `rescued_*`).
    package var rescued = 0
    /// Answers by `total_ms`, one more bucket than bounds, not cumulative.
    package var durationBuckets = [Int](repeating: 0, count: durationBounds.count + 1)
    package var durationSumSeconds: Double = 0
    package var attnFLOPsDense: Double = 0
    package var attnFLOPsUsed: Double = 0
    package var peakDeviceBytes: Int64?
    /// Age of the oldest job that may run now.
    package var oldestQueuedSeconds: Double?
    package var lastSuccess: Date?
    package var workersUp = 0
    /// Write-ahead log; `nil` where there is none.
    package var logBytes: Int64?

    package init() {}
}
