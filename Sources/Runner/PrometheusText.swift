import Foundation
package import Jobs

/// A queue's figures, and a worker's, in Prometheus' text format.
package struct PrometheusText: Sendable {
    /// The worker that writes them.
    package struct Worker: Sendable {
        package var name: String
        package var device: String
        package var isUp: Bool
        /// How long its calls of the queue took that ended because the database was locked.
        package var busySeconds: Double

        package init(name: String, device: String, isUp: Bool, busySeconds: Double) {
            self.name = name
            self.device = device
            self.isUp = isUp
            self.busySeconds = busySeconds
        }
    }

    private var lines: [String] = []

    /// - Parameter worker: `nil` for the queue alone
    package static func render(_ metrics: QueueMetrics, worker: Worker? = nil) -> String {
        var text = PrometheusText()
        text.jobs(metrics)
        text.durations(metrics)
        text.attempts(metrics)
        text.work(metrics)
        text.workers(metrics, worker)
        return text.lines.map { $0 + "\n" }.joined()
    }

    private typealias Labels = [(name: String, value: String)]

    private mutating func jobs(_ metrics: QueueMetrics) {
        family("jobs", "gauge", "Jobs by state and queue.")
        let queues = Set(metrics.jobs.map(\.queue)).sorted()
        for queue in queues.isEmpty ? ["default"] : queues {
            for state in JobState.allCases {
                let count = metrics.jobs.filter { $0.queue == queue && $0.state == state }
                    .reduce(0) { $0 + $1.count }
                sample("jobs", [("state", state.rawValue), ("queue", queue)], Double(count))
            }
        }
        family(
            "oldest_queued_seconds", "gauge",
            "Age of the oldest job that may run now, 0 without one.")
        sample("oldest_queued_seconds", [], metrics.oldestQueuedSeconds ?? 0)
    }

    private mutating func durations(_ metrics: QueueMetrics) {
        let name = "job_duration_seconds"
        family(name, "histogram", "Time of answered jobs, from the first frame to the answer.")
        var total = 0
        for (index, count) in metrics.durationBuckets.enumerated() {
            total += count
            let bound =
                index < QueueMetrics.durationBounds.count
                ? Self.number(QueueMetrics.durationBounds[index]) : "+Inf"
            sample(name + "_bucket", [("le", bound)], Double(total))
        }
        sample(name + "_sum", [], metrics.durationSumSeconds)
        sample(name + "_count", [], Double(total))
    }

    private mutating func attempts(_ metrics: QueueMetrics) {
        family("attempts_total", "counter", "Attempts that have ended, by outcome.")
        for (outcome, count) in metrics.attempts.sorted(by: { $0.key < $1.key }) {
            sample("attempts_total", [("outcome", outcome)], Double(count))
        }
        family("rescued_total", "counter", "Attempts that were taken back from dead workers.")
        sample("rescued_total", [], Double(metrics.rescued))
        family("lease_lost_total", "counter", "Attempts that lost their lease.")
        sample("lease_lost_total", [], Double(metrics.attempts["lease_lost"] ?? 0))
    }

    private mutating func work(_ metrics: QueueMetrics) {
        family(
            "attention_flops_dense_total", "counter",
            "FLOPs of attention that the answered jobs would have taken with all tokens.")
        sample("attention_flops_dense_total", [], metrics.attnFLOPsDense)
        family("attention_flops_used_total", "counter", "FLOPs of attention that they took.")
        sample("attention_flops_used_total", [], metrics.attnFLOPsUsed)
        if let bytes = metrics.peakDeviceBytes {
            family("peak_device_bytes", "gauge", "The most device memory in use during a job.")
            sample("peak_device_bytes", [], Double(bytes))
        }
        if let last = metrics.lastSuccess {
            family("last_success_timestamp_seconds", "gauge", "When a job was answered last.")
            sample("last_success_timestamp_seconds", [], last.timeIntervalSince1970)
        }
        if let bytes = metrics.logBytes {
            family("wal_bytes", "gauge", "Length of the write-ahead log.")
            sample("wal_bytes", [], Double(bytes))
        }
    }

    private mutating func workers(_ metrics: QueueMetrics, _ worker: Worker?) {
        family("workers", "gauge", "Workers that have not stopped.")
        sample("workers", [], Double(metrics.workersUp))
        guard let worker else { return }
        let labels: Labels = [("worker", worker.name), ("device", worker.device)]
        family("worker_up", "gauge", "Whether the worker that wrote this is at work.")
        sample("worker_up", labels, worker.isUp ? 1 : 0)
        family(
            "db_busy_seconds_total", "counter",
            "Time that the worker waited in vain for the database.")
        sample("db_busy_seconds_total", labels, worker.busySeconds)
    }

    // MARK: The format

    private mutating func family(_ name: String, _ type: String, _ help: String) {
        lines.append("# HELP zipvl_batch_\(name) \(help)")
        lines.append("# TYPE zipvl_batch_\(name) \(type)")
    }

    private mutating func sample(_ name: String, _ labels: Labels, _ value: Double) {
        let inside = labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }
        let set = inside.isEmpty ? "" : "{\(inside.joined(separator: ","))}"
        lines.append("zipvl_batch_\(name)\(set) \(Self.number(value))")
    }

    /// Backslash, quote and line feed; a carriage return would end the line for some readers.
    static func escaped(_ value: String) -> String {
        var text = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            case "\r": text += " "
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: value).map { "\($0)" } ?? "\(value)"
    }
}
