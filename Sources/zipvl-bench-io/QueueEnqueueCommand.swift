import ArgumentParser
import Foundation
import Jobs

/// One line of the enqueue's measurement.
struct QueueEnqueueLine: Codable {
    var measurement = "enqueue"
    var backEnd = ""
    var files: Int
    var runs = 1
    var seconds: Double
    var filesPerSecond = 0.0
    /// Largest resident size of the process.
    var peakBytes: Int64

    private enum CodingKeys: String, CodingKey {
        case measurement, files, runs, seconds
        case backEnd = "back_end"
        case filesPerSecond = "files_per_s"
        case peakBytes = "peak_bytes"
    }
}

/// The hidden verb that enqueues files that do not exist, one question about each.
struct QueueEnqueueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "__enqueue", abstract: "Enqueues.", shouldDisplay: false)

    @Argument var location: String
    @Argument var count: Int

    func run() async throws {
        let queue = try QueueLocation(location).open()
        let prefix = "files-\(UUID().uuidString)"
        let start = ContinuousClock.now
        for first in stride(from: 0, to: count, by: 1000) {
            // Four apart: each is another file.
            let jobs = (first..<min(count, first + 1000)).map {
                NewJob.bench($0 * 4, prefix: prefix)
            }
            let report = try await queue.enqueue(.bench, jobs)
            guard report.inserted.count == jobs.count else {
                throw BenchChild.Failed(
                    description: "\(report.inserted.count) of \(jobs.count) jobs are new")
            }
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let line = QueueEnqueueLine(
            files: count, seconds: seconds, peakBytes: try Self.peakBytes())
        print(String(decoding: try JSONEncoder().encode(line), as: UTF8.self))
    }

    private static func peakBytes() throws -> Int64 {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let words = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }?
            .split(whereSeparator: \.isWhitespace)
        return (words.flatMap { $0.count > 1 ? Int64($0[1]) : nil } ?? 0) << 10
    }
}
