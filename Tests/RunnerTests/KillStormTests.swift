import Crypto
import Foundation
import GRDB
import Glibc
import Jobs
import Testing

/// Real processes, really killed: what the queue promises must hold for whoever is left.
@Suite(.serialized) struct KillStormTests {
    struct Storm: CustomTestStringConvertible, Sendable {
        var jobs: Int
        var milliseconds: Int
        var kills: Int
        var every: Duration
        /// The least number of kills that must have met a running job.
        var hits: Int

        var testDescription: String { "\(jobs) jobs of \(milliseconds) ms, a kill every \(every)" }
    }

    @Test(
        .timeLimit(.minutes(10)),
        arguments: [
            // 30 seconds of kills in the midst of the engine's work.
            Storm(jobs: 500, milliseconds: 50, kills: 150, every: .milliseconds(200), hits: 8),
            // Jobs that are nothing but transactions: most kills fall into one or between two.
            Storm(jobs: 3000, milliseconds: 0, kills: 120, every: .milliseconds(50), hits: 8),
        ])
    func `every job is answered once though workers are killed all the time`(
        _ storm: Storm
    ) async throws {
        let folder = NSTemporaryDirectory() + "zipvl-storm-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/storm.db"
        let queue = try SQLiteQueue(path: path)
        let jobs = try await queue.enqueue(
            BatchSpec(name: "storm", source: "-", specJSON: "{}"), Self.makeJobs(storm)
        ).inserted
        #expect(jobs.count == storm.jobs)

        func makeWorker(_ index: Int) throws -> Worker {
            try Worker(
                arguments: [path, "\(folder)/\(index).acks", "\(storm.milliseconds)"])
        }
        var workers = try (0..<4).map(makeWorker)
        let start = ContinuousClock.now
        var kills = 0
        for round in 1...storm.kills {
            try await Task.sleep(until: start + storm.every * round, clock: .continuous)
            let victim = Int.random(in: workers.indices)
            if workers[victim].kill() { kills += 1 }
            workers[victim] = try makeWorker(victim)
        }
        for worker in workers {
            #expect(worker.wait() == 0, "a worker that is left alone drains the queue")
        }

        let rows = try await queue.list(JobSelection(), limit: storm.jobs + 1)
        #expect(rows.map(\.jobID) == jobs)
        #expect(rows.count { $0.state == .succeeded } == jobs.count)
        let results = try await queue.results(JobSelection(), limit: nil)
        #expect(results.count == jobs.count)
        let answers = Dictionary(
            results.map { ($0["job_id"], $0["answer"]) }, uniquingKeysWith: { first, _ in first })
        let wrong = rows.filter { row in
            let expected = Self.expectedAnswer(video: row.video, question: row.question)
            return answers[.integer(row.jobID)] != .text(expected)
        }
        #expect(wrong.map(\.jobID).isEmpty, "jobs without their one answer")

        let acknowledged = try (0..<4).flatMap { try Self.acknowledgements("\(folder)/\($0).acks") }
        #expect(Set(acknowledged.map(\.job)).count == acknowledged.count, "answered twice")
        var crashed = 0
        var stored: [JobID: AttemptID] = [:]
        for job in jobs {
            let attempts = try #require(try await queue.show(job)).attempts
            crashed += attempts.count { $0.outcome == "crashed" }
            let succeeded = attempts.filter { $0.outcome == "succeeded" }
            #expect(succeeded.count == 1)
            stored[job] = succeeded.first?.attemptID
        }
        for (job, attempt) in acknowledged { #expect(stored[job] == attempt, "job \(job)") }
        #expect(crashed >= storm.hits, "\(kills) kills, \(crashed) of them in a job")
        let integrity = try Self.texts(path, "PRAGMA integrity_check")
        #expect(integrity == ["ok"])
        #expect(try Self.texts(path, "PRAGMA foreign_key_check").isEmpty)
        print(
            "kill storm: \(jobs.count) jobs, \(kills) kills, \(crashed) in a job, "
                + "\(acknowledged.count) answers acknowledged")
    }

    /// Jobs that become due one after another, so that every kill of the storm meets work.
    private static func makeJobs(_ storm: Storm) -> [NewJob] {
        let start = Date()
        let length = 0.95 * (storm.every / .seconds(1)) * Double(storm.kills)
        let config = ConfigRecord(
            fingerprint: "storm", model: "stub", modelSHA256: "stub", optionsJSON: "{}")
        return (0..<storm.jobs).map { index in
            NewJob(
                video: VideoRecord(
                    contentID: "sha256:\(index)", path: "/storm/\(index).mp4", sizeBytes: 1,
                    mtimeNanoseconds: 1),
                config: config, question: "Question \(index)?",
                runAt: start + length * Double(index) / Double(storm.jobs), maxCrashes: 1000)
        }
    }

    private static func expectedAnswer(video path: String, question: String) -> String {
        let index = path.split(separator: "/").last?.split(separator: ".").first ?? ""
        let digest = SHA256.hash(data: Data("sha256:\(index)|\(question)".utf8))
        return digest.map { String($0, radix: 16) }.joined(separator: ".")
    }

    private static func acknowledgements(
        _ path: String
    ) throws -> [(job: JobID, attempt: AttemptID)] {
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
            line in
            let numbers = line.split(separator: " ").compactMap { Int64($0) }
            try #require(numbers.count == 2, "\(path): \(line)")
            return (numbers[0], numbers[1])
        }
    }

    /// On a connection of its own, when all workers have gone.
    private static func texts(_ path: String, _ sql: String) throws -> [String] {
        try DatabaseQueue(path: path).read { try String.fetchAll($0, sql: sql) }
    }
}

/// One `storm-worker` process.
private struct Worker {
    private let process = Process()

    init(arguments: [String]) throws {
        process.executableURL = try stormWorkerURL()
        process.arguments = arguments
        try process.run()
    }

    /// Whether it was still alive.
    func kill() -> Bool {
        let wasRunning = process.isRunning
        if wasRunning { Glibc.kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
        return wasRunning
    }

    func wait() -> Int32 {
        process.waitUntilExit()
        return process.terminationStatus
    }
}

/// The helper stands beside the test program.
private func stormWorkerURL() throws -> URL {
    let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(fileURLWithPath: program).deletingLastPathComponent()
        .appendingPathComponent("storm-worker")
}
