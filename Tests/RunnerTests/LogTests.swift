import Foundation
import Jobs
import Synchronization
import Testing

@testable import Runner

@Suite(.timeLimit(.minutes(10))) struct LogTests {
    private static func objects(_ lines: [String]) throws -> [[String: Any]] {
        try lines.map {
            try #require(
                try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any], "\($0)")
        }
    }

    @Test func `each attempt has a log of its own, which the queue knows`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let ids = try await fixture.enqueueGroup(2, maxAttempts: 1)
        let queue = AilingQueue(fixture.queue)
        queue.completionFailures = 1
        let engine = StubEngine(answer: { _, input in
            if input == "2" {
                throw Failure(errorClass: .internal, code: "broken", message: "first\nsecond")
            }
            return input
        })
        var options = RunnerOptions.quick
        let folder = fixture.folder.path + "/q.db.logs"
        options.logFolder = folder
        _ = try await runner(queue, engine, options).run()
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        try #require(names.count == 2)
        let logs = try names.map {
            try Self.objects(
                try String(contentsOfFile: folder + "/" + $0, encoding: .utf8)
                    .split(separator: "\n").map(String.init))
        }
        for (log, id) in zip(logs, ids) {
            let attempt = try #require(try await queue.show(id)?.attempts.first?.attemptID)
            #expect(names.contains("\(id)-\(attempt).log"))
            for line in log {
                #expect(line["job"] as? JobID == id && line["attempt"] as? AttemptID == attempt)
                #expect(line["video"] as? String == "/videos/shared.mp4")
                #expect((line["worker"] as? String)?.isEmpty == false)
                let time = try #require(line["time"] as? String)
                #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil)
            }
        }
        let events = logs.map { $0.compactMap { $0["event"] as? String } }
        #expect(events[0] == ["claimed", "progress", "started", "progress", "notice", "finished"])
        #expect(events[1] == ["claimed", "progress", "started", "progress", "finished"])
        #expect(logs[0].compactMap { $0["stage"] as? String } == ["decode", "prefill"])
        #expect(logs[0].last?["outcome"] as? String == "succeeded")
        #expect(logs[1].last?["outcome"] as? String == "failed")
        #expect(logs[1].last?["message"] as? String == "first\nsecond")
        let paths = try fixture.logPaths()
        #expect(Set(paths) == Set(names.map { folder + "/" + $0 }))
    }

    @Test func `a log ends at its limit and says so`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        try await fixture.enqueue(1)
        let claim = try await fixture.claim()
        let log = try #require(
            AttemptLog(folder: fixture.folder.path, claim, worker: "w", clock: .system))
        let text = String(repeating: "x", count: 10_000)
        for _ in 0..<200 { log.note(text) }
        log.end(.cancelled)
        let content = try String(contentsOfFile: log.path, encoding: .utf8)
        #expect(content.utf8.count <= AttemptLog.limit + 1000)
        #expect(content.utf8.count > AttemptLog.limit - 20_000)
        let lines = try Self.objects(content.split(separator: "\n").map(String.init))
        #expect((lines.last?["message"] as? String)?.contains("1 MiB") == true)
    }

    @Test func `a worker's log is one JSON object a line, with job, attempt and worker`()
        async throws
    {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        try await fixture.enqueue(2)
        let lines = Mutex<[String]>([])
        let log = JSONLog(worker: "host-1") { line in lines.withLock { $0.append(line) } }
        let engine = StubEngine(answer: { _, input in "\u{7}\n\u{2028}" + input })
        _ = try await runner(
            fixture.queue, engine, observer: RunObservers([RecordingObserver(), log])
        ).run()
        let texts = lines.withLock { $0 }
        #expect(texts.allSatisfy { !$0.contains("\n") })
        let objects = try Self.objects(texts)
        #expect(objects.allSatisfy { $0["worker"] as? String == "host-1" })
        let events = objects.compactMap { $0["event"] as? String }
        #expect(events.first == "registered")
        for event in ["claimed", "started", "stage", "finished"] {
            let found = objects.filter { $0["event"] as? String == event }
            #expect(found.count == 2, "\(event)")
            #expect(found.allSatisfy { $0["job"] is Int && $0["attempt"] is Int })
        }
    }
}

extension QueueFixture {
    /// One job, claimed by a worker of this process.
    func claim() async throws -> Claim {
        let worker = try await queue.register(.current(device: "cpu", version: "t"))
        let claims = try await queue.claim(
            worker, filter: ClaimFilter(), limit: 1, lease: .seconds(60))
        return try #require(claims.first)
    }
}
