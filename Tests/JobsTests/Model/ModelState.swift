import Foundation

@testable import Jobs

extension ModelDriver {
    /// All that can be seen of the queue, a line each.
    func visibleState() async throws -> [String] {
        let queue = test.queue
        var lines: [String] = []
        for var row in try await queue.list(JobSelection(), limit: .max) {
            let id = row.jobID
            row.jobID = 0
            lines.append("\(job(id)): \(row)")
            guard let detail = try await queue.show(id) else {
                lines.append("\(job(id)): not shown")
                continue
            }
            let video = detail.video.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }
            lines.append(
                "  \(detail.model) \(detail.optionsJSON) \(detail.expected ?? "") \(video) "
                    + "\(detail.answer.map { $0.answer } ?? "no answer")")
            for attempt in detail.attempts { lines.append("  " + text(attempt)) }
        }
        lines += try await queue.results(JobSelection(), limit: nil).map(text)
        lines += try await queue.status(batch: nil).map { "\($0)" }
        lines += try await queue.queues().map { "\($0)" }
        for var row in try await queue.workers() {
            let held = row.jobs.map(job)
            lines.append("\(worker(id: row.workerID)) \(worker(named: row.name)) \(held)")
            row.workerID = 0
            row.name = ""
            row.jobs = []
            lines.append("  \(row)")
        }
        lines.append("\(try await queue.remaining(JobSelection())) remain")
        lines.append("all attempts: \(try await queue.attempts(JobSelection()).map(text))")
        let videos = try await queue.videos(JobSelection()).sorted { $0.key < $1.key }
        lines.append("videos: \(videos.map { "\(job($0.key)) \($0.value)" })")
        for filter in [
            ClaimFilter(), ClaimFilter(queues: ["default"]),
            ClaimFilter(queues: ["queue 1", "none"]),
            ClaimFilter(modelSHA256: "m1"),
        ] {
            lines.append("\(filter) is drained: \(try await queue.isDrained(filter))")
        }
        lines.append(text(try await queue.metrics()))
        return lines
    }

    private func text(_ row: AttemptRow) -> String {
        var row = row
        let at = row.jobID.map(job) ?? "nothing"
        let names = "\(attempt(row.attemptID)) of \(worker(named: row.worker)) at \(at)"
        row.attemptID = 0
        row.jobID = nil
        row.worker = ""
        return "\(names): \(row)"
    }

    private func text(_ row: ResultRow) -> String {
        row.columns.map { name, value in
            if name == "job_id", case .integer(let id) = value { return job(id) }
            return "\(name)=\(value)"
        }.joined(separator: " ")
    }

    private func text(_ metrics: QueueMetrics) -> String {
        var metrics = metrics
        let jobs = metrics.jobs.map { "\($0.queue) \($0.state) \($0.count)" }.sorted()
        let attempts = metrics.attempts.map { "\($0) \($1)" }.sorted()
        metrics.jobs = []
        metrics.attempts = [:]
        metrics.logBytes = nil
        // Summed up in another order.
        metrics.durationSumSeconds = (metrics.durationSumSeconds * 1000).rounded()
        return "\(jobs) \(attempts) \(metrics)"
    }
}
