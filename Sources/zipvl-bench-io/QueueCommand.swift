import ArgumentParser
import Foundation
import Jobs

/// Measures the queue: jobs claimed and completed in a second by several processes, a claim in a long
/// queue, an enqueue of many files. Prints one JSON line for each measurement.
struct QueueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue", abstract: "Measures the queue and prints JSON lines.",
        discussion: """
            throughput: processes claim a job and store its answer, over and over; medians over the runs. \
            claim: single claims in a queue of --rows jobs. enqueue: --files stub files, as hashed and \
            probed ones, in chunks of 1,000. With --postgres also on that server, where throughput runs in \
            turns with pgbench on the same statements.
            """,
        subcommands: [QueueWorkerCommand.self, QueueEnqueueCommand.self])

    enum Measurement: String, ExpressibleByArgument, CaseIterable {
        case throughput, claim, enqueue
    }

    @Option(parsing: .upToNextOption, help: "throughput, claim, enqueue; all of them by default.")
    var measure = Measurement.allCases

    @Option(help: "Folder on the disk to be measured; the queues in it are deleted.")
    var folder = "."

    @Option(
        help: "URL of a database that may be filled: postgresql://USER@HOST/DATABASE.")
    var postgres: String?

    @Option(help: "Runs of each measurement.")
    var runs = 3

    @Option(help: "Seconds of a run.")
    var seconds = 5.0

    @Option(help: "Numbers of processes, separated by commas.")
    var processes = "1,4,8"

    @Option(help: "Queued jobs while single claims are timed.")
    var rows = 1_000_000

    @Option(help: "Files of the enqueue.")
    var files = 100_000

    func validate() throws {
        guard runs > 0, seconds > 0, rows > 0, files > 0 else {
            throw ValidationError("--runs, --seconds, --rows and --files must be above 0")
        }
        guard !counts.isEmpty else {
            throw ValidationError(
                "--processes must be numbers of at least 1, found '\(processes)'")
        }
    }

    /// Empty if any of them is no count.
    private var counts: [Int] {
        let numbers = processes.split(separator: ",").map { Int($0) ?? 0 }
        return numbers.allSatisfy { $0 > 0 } ? numbers : []
    }

    func run() async throws {
        let place = try QueueFolder(in: folder)
        if measure.contains(.throughput) {
            let bench = ThroughputBench(
                runs: runs, seconds: seconds, counts: counts, folder: place)
            try await bench.runSQLite()
            if let postgres { try await bench.runPostgres(postgres) }
        }
        if measure.contains(.claim) {
            let bench = ClaimBench(rows: rows)
            try await bench.run(.sqlite(path: place.file("claims.db")), "sqlite")
            if let postgres { try await bench.run(QueueLocation(postgres), "postgres") }
        }
        if measure.contains(.enqueue) {
            try await enqueue(place.file("files.db"), "sqlite")
            if let postgres { try await enqueue(postgres, "postgres") }
        }
    }

    /// In a process of its own, whose largest size is that of the enqueue.
    private func enqueue(_ location: String, _ backEnd: String) async throws {
        for count in [files / 10, files] where count > 0 {
            var lines: [QueueEnqueueLine] = []
            for run in 1...runs {
                let target = backEnd == "sqlite" ? "\(location).\(count).\(run)" : location
                let child = try BenchChild(["queue", "__enqueue", target, "\(count)"])
                lines.append(try child.decoded())
            }
            var line = lines[0]
            line.backEnd = backEnd
            line.runs = runs
            line.seconds = median(lines.map(\.seconds))
            line.peakBytes = lines.map(\.peakBytes).max() ?? 0
            line.filesPerSecond = Double(count) / line.seconds
            try printLine(line)
        }
    }
}

func printLine(_ line: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    print(String(decoding: try encoder.encode(line), as: UTF8.self))
    fflush(nil)
}

/// A folder that goes with this value.
final class QueueFolder: Sendable {
    let path: String

    init(in parent: String) throws {
        path =
            URL(fileURLWithPath: parent).appendingPathComponent(
                "zipvl-bench-\(UUID().uuidString)"
            ).path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }
}
