import Foundation

extension MemoryQueue {
    package func metrics() async throws -> QueueMetrics {
        read { tables, now in
            var metrics = QueueMetrics()
            let groups = Dictionary(grouping: tables.jobs.values) { $0.item.queue }
            for (queue, jobs) in groups.sorted(by: { $0.key < $1.key }) {
                for state in JobState.allCases {
                    let count = jobs.count { $0.state == state }
                    guard count > 0 else { continue }
                    metrics.jobs.append(.init(queue: queue, state: state, count: count))
                }
            }
            for outcome in tables.attempts.values.compactMap(\.outcome) {
                metrics.attempts[outcome, default: 0] += 1
            }
            metrics.rescued = tables.events.count { $0.kind.hasPrefix("rescued_") }
            for answer in tables.answers.values.map(\.answer) { metrics.add(answer) }
            let waiting = tables.jobs.values.filter { $0.state == .queued && $0.runAt <= now }
            metrics.oldestQueuedSeconds = waiting.map(\.runAt).min().map {
                Double(now - $0) / 1000
            }
            metrics.lastSuccess = tables.jobs.values.filter { $0.state == .succeeded }
                .compactMap(\.finishedAt).max().map { Date(milliseconds: $0) }
            metrics.workersUp = tables.workers.values.count { $0.stop == nil }
            return metrics
        }
    }
}

extension QueueMetrics {
    fileprivate mutating func add(_ answer: Answer) {
        let seconds = answer.totalMS / 1000
        let bucket = Self.durationBounds.firstIndex { seconds <= $0 } ?? Self.durationBounds.count
        durationBuckets[bucket] += 1
        durationSumSeconds += seconds
        attnFLOPsDense += answer.attnFLOPsDense
        attnFLOPsUsed += answer.attnFLOPsUsed
        if let bytes = answer.peakDeviceBytes {
            peakDeviceBytes = max(peakDeviceBytes ?? bytes, bytes)
        }
    }
}
