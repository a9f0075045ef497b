import Foundation
import Jobs

/// Jobs claimed and completed in a second, two transactions each, by processes that do nothing else.
struct ThroughputBench {
    var runs: Int
    var seconds: Double
    var counts: [Int]
    var folder: QueueFolder

    struct Line: Encodable {
        var measurement = "throughput"
        var backEnd: String
        /// `wal` or `rollback`.
        var journal: String?
        /// Whether each answer goes to the answers journal first, with a sync of its own.
        var answersJournal: Bool
        var processes: Int
        var runs: Int
        /// Medians over the runs.
        var jobsPerSecond: Double
        var claimMedianMilliseconds, claimP99Milliseconds: Double
        var completeMedianMilliseconds, completeP99Milliseconds: Double
        /// What pgbench reached in turns with this, and the ratio.
        var pgbenchJobsPerSecond: Double?
        var ratio: Double?

        private enum CodingKeys: String, CodingKey {
            case measurement, journal, processes, runs, ratio
            case backEnd = "back_end"
            case answersJournal = "answers_journal"
            case jobsPerSecond = "jobs_per_s"
            case claimMedianMilliseconds = "claim_median_ms"
            case claimP99Milliseconds = "claim_p99_ms"
            case completeMedianMilliseconds = "complete_median_ms"
            case completeP99Milliseconds = "complete_p99_ms"
            case pgbenchJobsPerSecond = "pgbench_jobs_per_s"
        }
    }

    /// All processes of one run together.
    struct Run {
        var jobsPerSecond: Double
        var claims, completes: [Double]
    }

    func runSQLite() async throws {
        for journal in ["wal"] {
            let path = folder.file("\(journal).db")
            let queue = try SQLiteQueue(path: path)
            for count in counts {
                for isJournalled in journal == "wal" ? [false, true] : [false] {
                    var results: [Run] = []
                    for _ in 0..<runs {
                        try await refill(queue)
                        results.append(
                            try run(path, count, isJournalled ? folder.file("answers") : nil))
                    }
                    try printLine(line("sqlite", journal, isJournalled, count, results))
                }
            }
        }
    }

    /// In turns with pgbench, so that both meet the same machine.
    func runPostgres(_ url: String) async throws {
        let queue = try QueueLocation(url).open()
        for count in counts {
            let pgbench = PgBench(url: url, clients: count, seconds: seconds, folder: folder)
            for isJournalled in [false, true] {
                var results: [Run] = []
                var theirs: [Double] = []
                for _ in 0..<runs {
                    try await refill(queue)
                    results.append(
                        try run(url, count, isJournalled ? folder.file("answers") : nil))
                    if !isJournalled { theirs.append(try await pgbench.run(queue)) }
                }
                var line = line("postgres", nil, isJournalled, count, results)
                if !theirs.isEmpty {
                    line.pgbenchJobsPerSecond = median(theirs)
                    line.ratio = median(zip(results, theirs).map { $0.jobsPerSecond / $1 })
                }
                try printLine(line)
            }
        }
    }

    /// At least so many jobs that no run comes to their end.
    private func refill(_ queue: any QueueStore) async throws {
        let wanted = Int(seconds * 4000) + 1000
        let left = try await queue.remaining(JobSelection())
        if left < wanted {
            try await queue.fill(2 * wanted - left, prefix: "run-\(UUID().uuidString)")
        }
        try await queue.maintain()
    }

    private func run(_ location: String, _ count: Int, _ journal: String?) throws -> Run {
        let start = Date().timeIntervalSince1970 + 1
        let children = try (0..<count).map { _ in
            try BenchChild(
                ["queue", "__worker", location, "\(seconds)", "\(start)"]
                    + (journal.map { ["--journal", $0] } ?? []))
        }
        let tallies = try children.map { try $0.decoded(WorkerTally.self) }
        return Run(
            jobsPerSecond: tallies.reduce(0) { $0 + Double($1.completed) / $1.seconds },
            claims: tallies.flatMap(\.claimMilliseconds).sorted(),
            completes: tallies.flatMap(\.completeMilliseconds).sorted())
    }

    private func line(
        _ backEnd: String, _ journal: String?, _ isJournalled: Bool, _ count: Int, _ runs: [Run]
    ) -> Line {
        func p99(_ times: [Double]) -> Double { times.isEmpty ? 0 : times[times.count * 99 / 100] }
        return Line(
            backEnd: backEnd, journal: journal, answersJournal: isJournalled, processes: count,
            runs: runs.count, jobsPerSecond: median(runs.map(\.jobsPerSecond)),
            claimMedianMilliseconds: median(runs.map { median($0.claims) }),
            claimP99Milliseconds: median(runs.map { p99($0.claims) }),
            completeMedianMilliseconds: median(runs.map { median($0.completes) }),
            completeP99Milliseconds: median(runs.map { p99($0.completes) }))
    }
}
