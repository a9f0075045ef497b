import Foundation

extension MemoryQueue {
    /// Marks workers that died between two jobs.
    package func maintain() async throws {
        try write { tables, now in
            let busy = Set(
                tables.jobs.values.compactMap(\.holder).compactMap { tables.attempts[$0]?.worker })
            for worker in tables.workers.values
            where !busy.contains(worker.id) && lives(worker) == false {
                tables.bury(worker.id, now)
            }
        }
    }

    package func check() async throws -> [Finding] {
        let count = read { tables, _ in tables.jobs.count }
        return [
            Finding(level: .ok, subject: "memory", detail: "\(count) jobs, until this process ends")
        ]
    }

    package func backup(to path: String) async throws {
        throw QueueError(.unavailable, "\(path): a queue in memory has no file to copy")
    }

    package func prune(_ retention: Retention, isDry: Bool) async throws -> PruneReport {
        try write { tables, _ in
            var rest = tables
            let report = rest.prune(retention)
            if !isDry { tables = rest }
            return report
        }
    }
}

extension MemoryTables {
    fileprivate mutating func prune(_ retention: Retention) -> PruneReport {
        let before = retention.before.milliseconds
        let final: Set<JobState> = [.succeeded, .failed, .cancelled]
        let states = final.intersection(retention.states)
        var old = JobSelection()
        old.batch = retention.batch
        let doomed = Set(
            selected(old, states).filter { $0.finishedAt.map { $0 < before } == true }.map(\.id))

        func drop<Key, Row>(_ rows: inout [Key: Row], _ isDoomed: (Key, Row) -> Bool) -> Int {
            let count = rows.count
            rows = rows.filter { !isDoomed($0.key, $0.value) }
            return count - rows.count
        }
        var report = PruneReport()
        report.jobs = drop(&jobs) { id, _ in doomed.contains(id) }
        report.attempts = drop(&attempts) { _, row in doomed.contains(row.job) }
        report.answers = drop(&answers) { id, _ in doomed.contains(id) }
        let left = Array(jobs.values)
        let busy = Set(attempts.values.map(\.worker))
        report.batches = drop(&batches) { id, _ in !left.contains { $0.batch == id } }
        report.videos = drop(&videos) { id, _ in !left.contains { $0.video == id } }
        report.configs = drop(&configs) { id, _ in !left.contains { $0.config == id } }
        report.workers = drop(&workers) { id, row in
            row.stop != nil && !busy.contains(id)
        }
        // Of a batch only what tells of its jobs.
        let kept = events.filter {
            !doomed.contains($0.job) && (retention.batch != nil || $0.at >= before)
        }
        report.events = events.count - kept.count
        events = kept
        return report
    }
}
