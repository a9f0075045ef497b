import ArgumentParser
import Foundation
import Jobs

/// What one worker process of a throughput run did.
struct WorkerTally: Codable {
    var completed = 0
    /// From the first claim to the last answer.
    var seconds = 0.0
    /// Of each call, in order.
    var claimMilliseconds: [Double] = []
    var completeMilliseconds: [Double] = []
}

/// The hidden verb that claims and completes as fast as it can.
struct QueueWorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "__worker", abstract: "Claims and completes.", shouldDisplay: false)

    @Argument var location: String
    @Argument var seconds: Double
    /// Unix time at which all workers begin.
    @Argument var start: Double
    @Option var journal: String?
    /// Jobs of a video claimed at once.
    @Option var group = 1

    func run() async throws {
        let queue = try QueueLocation(location).open()
        let worker = try await queue.register(.current(device: "cpu", version: "bench"))
        let journal = try journal.map { try AnswerJournal(folder: $0, name: "\(getpid())") }
        try await Task.sleep(for: .seconds(max(0, start - Date().timeIntervalSince1970)))

        var tally = WorkerTally()
        let begin = ContinuousClock.now
        let end = begin + .seconds(seconds)
        while ContinuousClock.now < end {
            let before = ContinuousClock.now
            let claims = try await queue.claim(
                worker, filter: ClaimFilter(), limit: group, lease: .seconds(60))
            tally.claimMilliseconds.append((ContinuousClock.now - before) / .milliseconds(1))
            guard !claims.isEmpty else {
                throw BenchChild.Failed(description: "\(queue.title): no job is left to claim")
            }
            for claim in claims {
                let before = ContinuousClock.now
                try journal?.append(
                    JournalledAnswer(
                        job: claim.job, attempt: claim.attempt, dedupeKey: claim.dedupeKey,
                        answer: .bench, writtenAtMS: 0))
                guard try await queue.complete(claim.attempt, .bench) == .stored else {
                    throw BenchChild.Failed(description: "job \(claim.job) was taken away")
                }
                journal?.acknowledge(claim.attempt)
                tally.completeMilliseconds.append((ContinuousClock.now - before) / .milliseconds(1))
                tally.completed += 1
            }
        }
        tally.seconds = (ContinuousClock.now - begin) / .seconds(1)
        journal?.close()
        try await queue.unregister(worker, reason: "end")
        print(String(decoding: try JSONEncoder().encode(tally), as: UTF8.self))
    }
}

extension Answer {
    /// Of an ordinary size.
    static let bench = Answer(
        answer: "A man opens the fridge, takes milk and pours it.", choice: "B",
        finishReason: .stop, framesUsed: 64, visualTokens: 9216, promptTokens: 9300,
        outputTokens: 12, keptTokenRatioMean: 0.25, attnFLOPsDense: 4e14, attnFLOPsUsed: 1e14,
        attnFLOPsSavedPctPaper: 93.75, llmFLOPsDense: 8e15, llmFLOPsUsed: 5e15,
        kvCacheBytesDense: 1 << 30, kvCacheBytesUsed: 1 << 28, peakHostBytes: 3 << 30,
        peakDeviceBytes: 5 << 30, decodeVideoMS: 1, visionMS: 2, prefillMS: 3, generateMS: 4,
        totalMS: 11.5, warnings: [],
        extraJSON: #"{"kept":[\#(Array(repeating: "2304", count: 28).joined(separator: ","))]}"#)
}

extension NewJob {
    /// Files that do not exist; four questions about each.
    static func bench(_ number: Int, prefix: String) -> NewJob {
        let video = number / 4
        return NewJob(
            video: VideoRecord(
                contentID: "sha256:" + ContentIdentity.sha256("\(prefix)\(video)"),
                path: "/videos/\(prefix)/camera-\(video % 100)/clip-\(video).mp4",
                sizeBytes: 1_000_000, mtimeNanoseconds: 1_700_000_000_000_000_000,
                durationMilliseconds: 60_000, width: 1920, height: 1080, framesPerSecond: 25,
                frameCount: 1500, codec: "h264", container: "mp4"),
            config: .bench, question: "Question \(number % 4): how many people are visible?")
    }
}

extension ConfigRecord {
    static let bench = ConfigRecord(
        fingerprint: "bench", model: "embedded", modelSHA256: "bench",
        optionsJSON: #"{"method":"zipvl","tau":0.975}"#)
}

extension BatchSpec {
    static let bench = BatchSpec(name: "bench", source: "/videos", specJSON: "{}")
}

extension QueueBackend {
    /// Enqueues in chunks, as the verb does.
    func fill(_ count: Int, prefix: String, chunk: Int = 1000) async throws {
        for start in stride(from: 0, to: count, by: chunk) {
            let jobs = (start..<min(count, start + chunk)).map { NewJob.bench($0, prefix: prefix) }
            let report = try await enqueue(.bench, jobs)
            guard report.inserted.count == jobs.count else {
                throw BenchChild.Failed(
                    description: "\(title): \(report.inserted.count) of \(jobs.count) jobs are new")
            }
        }
    }
}
