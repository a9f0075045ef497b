import Foundation
import Jobs

/// One look at a queue.
struct StatusSnapshot {
    var title: String
    var batch: String?
    var at: Date
    var batches: [BatchStatus]
    var workers: [WorkerRow]
    var queues: [QueueRow]
    /// Jobs in the workers' hands, by id.
    var running: [JobID: JobRow]
    /// Age of the oldest job that may run now.
    var oldestQueuedSeconds: Double?

    /// - Parameter oldest: what is known of the oldest job; `nil` asks the queue, which takes longer the more
    ///   answers it has
    init(of queue: any QueueBackend, batch: String?, oldest: Double?? = nil) async throws {
        title = queue.title
        self.batch = batch
        at = Date()
        batches = try await queue.status(batch: batch)
        workers = try await queue.workers()
        queues = try await queue.queues()
        var selection = JobSelection()
        selection.states = [.running]
        running = Dictionary(
            try await queue.list(selection, limit: 10_000).map { ($0.jobID, $0) },
            uniquingKeysWith: { first, _ in first })
        if batches.allSatisfy({ $0.ready + $0.retrying == 0 }) {
            oldestQueuedSeconds = nil
        } else if let oldest {
            oldestQueuedSeconds = oldest
        } else {
            oldestQueuedSeconds = try await queue.metrics().oldestQueuedSeconds
        }
    }

    private func sum(_ count: (BatchStatus) -> Int) -> Int {
        batches.reduce(0) { $0 + count($1) }
    }

    /// Held jobs do not count: they wait for people.
    var remaining: Int { waiting + inHand }
    var waiting: Int { sum { $0.ready + $0.scheduled + $0.retrying } }
    var inHand: Int { sum { $0.running + $0.orphaned } }
    var failed: Int { sum(\.failed) }
    var finished: Int { sum { $0.succeeded + $0.failed } }
    var jobs: Int { finished + remaining + sum { $0.held + $0.cancelled } }
    var paused: [QueueRow] { queues.filter(\.isPaused) }

    /// The time of day here, "22:05:09".
    var clock: String {
        let format: Date.FormatString = """
            \(hour: .twoDigits(clock: .twentyFourHour, hourCycle: .zeroBased)):\
            \(minute: .twoDigits):\(second: .twoDigits)
            """
        return at.formatted(
            Date.VerbatimFormatStyle(format: format, timeZone: .current, calendar: .current))
    }

    func printJSON() throws {
        try batches.forEach { try JSONLine.print($0) }
        guard batch == nil else { return }
        try workers.forEach { try JSONLine.print($0) }
        try queues.forEach { try JSONLine.print($0) }
    }
}
