import Foundation
import Jobs

/// Times single claims in a long queue.
struct ClaimBench {
    var rows: Int

    private struct Line: Encodable {
        var measurement = "claim"
        var backEnd: String
        /// Queued jobs while the claims were timed, at least.
        var rows: Int
        var claims: Int
        /// Jobs that a claim asked for.
        var limit: Int
        var medianMilliseconds, p99Milliseconds, longestMilliseconds: Double

        private enum CodingKeys: String, CodingKey {
            case measurement, rows, claims, limit
            case backEnd = "back_end"
            case medianMilliseconds = "median_ms"
            case p99Milliseconds = "p99_ms"
            case longestMilliseconds = "max_ms"
        }
    }

    private static let claims = 500

    func run(_ location: QueueLocation, _ backEnd: String) async throws {
        let queue = try location.open()
        try await queue.fill(
            rows + 9 * Self.claims, prefix: "claims-\(UUID().uuidString)", chunk: 10_000)
        try await queue.maintain()
        let worker = try await queue.register(.current(device: "cpu", version: "bench"))
        for limit in [1, 8] {
            var times: [Double] = []
            for _ in 0..<Self.claims {
                let start = ContinuousClock.now
                let claims = try await queue.claim(
                    worker, filter: ClaimFilter(), limit: limit, lease: .seconds(3600))
                times.append((ContinuousClock.now - start) / .milliseconds(1))
                guard !claims.isEmpty else {
                    throw BenchChild.Failed(description: "\(queue.title): nothing to claim")
                }
            }
            times.sort()
            try printLine(
                Line(
                    backEnd: backEnd, rows: rows, claims: times.count, limit: limit,
                    medianMilliseconds: median(times),
                    p99Milliseconds: times[times.count * 99 / 100],
                    longestMilliseconds: times[times.count - 1]))
        }
        try await queue.unregister(worker, reason: "end")
        _ = try await queue.cancel(JobSelection())
    }
}
