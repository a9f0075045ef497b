import Foundation
import Glibc
import TestSupport
import Testing

/// What people do to a queue between and during nights.
@Suite struct VerbTests {
    private static let video = Fixtures.packageRoot + "/jobs/demo/videos/generated_1.mp4"
    private static let settings = ["--frames", "4", "--max-new-tokens", "4", "--model", "model"]

    /// A model of half a megabyte, one video, and questions about it.
    private static func fixture(
        _ questions: [String] = ["One?", "Two?", "Three?"], _ more: [String] = []
    ) throws -> CommandFixture {
        let fixture = try CommandFixture()
        try FileManager.default.copyItem(
            atPath: Fixtures.path("mha-single-file"), toPath: fixture.folder.path + "/model")
        try FileManager.default.copyItem(atPath: video, toPath: fixture.folder.path + "/good.mp4")
        let lines = questions.enumerated().map {
            "{\"custom_id\":\"c\($0 + 1)\",\"video\":\"good.mp4\",\"question\":\"\($1)\"}\n"
        }
        try fixture.write(lines.joined(), "list.jsonl")
        let ending = try fixture.run(["enqueue", "list.jsonl", "--batch", "b"] + settings + more)
        #expect(ending.code == 0, "\(ending.errors)")
        return fixture
    }

    private static func states(_ fixture: CommandFixture) throws -> [String] {
        try fixture.rows(["list"]).compactMap { $0["state"] as? String }
    }

    @Test func `jobs are named by id, range, own id and filter`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        #expect(try fixture.run(["hold", "custom_id=c2"]).output == "1 job held back\n")
        #expect(try Self.states(fixture) == ["queued", "held", "queued"])
        #expect(try fixture.run(["hold", "2-3"]).output == "1 job held back\n")
        #expect(try fixture.run(["unhold", "--batch", "b"]).output == "2 jobs queued\n")
        #expect(try fixture.run(["hold", "custom_id=nobody"]).output == "0 jobs held back\n")
        #expect(try fixture.run(["unhold", "custom_id=nobody", "1"]).output == "0 jobs queued\n")
        #expect(try Self.states(fixture) == ["queued", "queued", "queued"])
        let changed = try fixture.rows(["cancel", "custom_id=c1", "custom_id=c3"])
        #expect(changed.first?["changed"] as? Int == 2)
        #expect(try Self.states(fixture) == ["cancelled", "queued", "cancelled"])
        #expect(try fixture.rows(["list", "custom_id=c2"]).count == 1)
        #expect(try fixture.run(["show", "custom_id=nobody"]).code == 2)
    }

    @Test func `priorities are set, also below zero`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        #expect(
            try fixture.run(["prioritize", "7", "1", "3"]).output == "2 jobs with priority 7\n")
        #expect(try fixture.run(["prioritize", "--batch", "b", "--", "-5", "2"]).code == 0)
        let rows = try fixture.rows(["list"])
        #expect(rows.compactMap { $0["priority"] as? Int } == [7, -5, 7])
    }

    @Test func `a paused queue gives nothing until it is resumed`() throws {
        let fixture = try Self.fixture(["One?"], ["--queue-name", "night"])
        defer { fixture.remove() }
        let paused = try fixture.rows(["pause", "night", "--wait"])
        #expect(paused.first?["is_paused"] as? Bool == true)
        #expect(paused.first?["queued"] as? Int == 1)
        let idle = try fixture.run([
            "work", "--device", "cpu", "--idle-exit", "1s", "--min-free", "0",
        ])
        #expect(idle.code == 5, "\(idle.errors)")
        #expect(try Self.states(fixture) == ["queued"])
        #expect(try fixture.run(["resume", "day"]).code == 2)
        #expect(try fixture.rows(["resume", "night"]).first?["is_paused"] as? Bool == false)
        // Somebody else's queue is left alone.
        let other = try fixture.run([
            "work", "--device", "cpu", "--queues", "day", "--idle-exit", "1s", "--min-free", "0",
        ])
        #expect(other.code == 5, "\(other.errors)")
        let worked = try fixture.run(
            ["work", "--device", "cpu", "--queues", "day,night", "--drain", "--min-free", "0"])
        #expect(worked.code == 0, "\(worked.errors)")
        #expect(try Self.states(fixture) == ["succeeded"])
    }

    @Test func `wait ends as the batch did`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let start = ContinuousClock.now
        #expect(try fixture.run(["wait", "--batch", "b", "--timeout", "1s"]).code == 5)
        #expect(ContinuousClock.now - start >= .seconds(1))
        #expect(try fixture.run(["wait", "--batch", "x"]).code == 2)
        try fixture.run(["cancel", "1-2"])
        try fixture.run(["hold", "3"])
        let ending = try fixture.run(["wait"])
        #expect(ending.code == 0)
        #expect(ending.output.contains("1 held back"))
        try fixture.write("no video", "bad.mp4")
        try fixture.run(["enqueue", "bad.mp4", "--question", "q", "--batch", "f"])
        #expect(try fixture.run(["wait"]).code == 3)
        #expect(try fixture.run(["wait", "--batch", "b"]).code == 0)
    }

    @Test func `a night leaves logs, metrics and no journal, and can be followed`() async throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let worked = try fixture.run([
            "work", "--drain", "--device", "cpu", "--log-format", "json", "--log-file", "w.log",
            "--metrics-file", "zipvl.prom", "--min-free", "1MiB", "--group", "2",
        ])
        #expect(worked.code == 0, "\(worked.errors)")
        let log = try String(contentsOf: fixture.folder.appending(path: "w.log"), encoding: .utf8)
            .split(separator: "\n").map {
                try #require(
                    try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
            }
        let finished = log.filter { $0["event"] as? String == "finished" }
        #expect(finished.compactMap { $0["job"] as? Int }.sorted() == [1, 2, 3])
        #expect(finished.allSatisfy { $0["worker"] is String && $0["attempt"] is Int })
        let metrics = try String(
            contentsOf: fixture.folder.appending(path: "zipvl.prom"), encoding: .utf8)
        let sample = #"zipvl_batch_jobs{state="succeeded",queue="default"} 3"#
        #expect(metrics.contains(sample))
        #expect(try fixture.run(["metrics"]).output.contains(sample))
        let lines = try fixture.rows(["logs", "1"])
        #expect(lines.count >= 2 && lines.allSatisfy { $0["job_id"] as? Int == 1 })
        #expect(try fixture.run(["logs", "custom_id=c2"]).output.contains("finished"))
        #expect(try fixture.run(["logs", "1", "--attempt", "9"]).code == 2)
        let followed = try fixture.run(["follow", "3"])
        #expect(followed.code == 0)
        #expect(followed.output.contains("job 3: succeeded"))
        #expect(
            try fixture.run(["doctor", "--device", "cpu"]).output.contains("no answers left over"))
        #expect(try fixture.run(["wait", "--batch", "b"]).output.contains("3 answered, 0 failed"))
    }

    @Test func `a worker that may not use the disk's rest ends with 74, and one that halts with 6`()
        throws
    {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let full = try fixture.run(["work", "--drain", "--device", "cpu", "--min-free", "900TiB"])
        #expect(full.code == 74, "\(full.errors)")
        #expect(try Self.states(fixture) == ["queued", "queued", "queued"])
        try FileManager.default.removeItem(atPath: fixture.folder.path + "/model/model.safetensors")
        let halted = try fixture.run([
            "work", "--drain", "--device", "cpu", "--min-free", "0", "--halt", "soon,fail=1",
            "--group", "1",
        ])
        #expect(halted.code == 6, "\(halted.errors)")
        #expect(try Self.states(fixture).contains("queued"))
    }

    @Test func `signals say what stands, open the log anew and end the run`() async throws {
        let questions = (1...60).map { "Question \($0)?" }
        let fixture = try Self.fixture(questions)
        defer { fixture.remove() }
        let worker = try fixture.start([
            "work", "--device", "cpu", "--min-free", "0", "--log-file", "w.log", "--progress",
            "plain",
        ])
        let log = fixture.folder.appending(path: "w.log").path
        func waitForLog() async throws {
            while (try? String(contentsOfFile: log, encoding: .utf8))?.contains("answered") != true
            {
                try #require(worker.process.isRunning)
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        try await waitForLog()
        try FileManager.default.moveItem(atPath: log, toPath: log + ".1")
        worker.signal(SIGHUP)
        worker.signal(SIGUSR1)
        while !FileManager.default.fileExists(atPath: log) {
            try #require(worker.process.isRunning)
            try await Task.sleep(for: .milliseconds(20))
        }
        worker.signal(SIGTERM)
        let ending = try worker.end()
        #expect(ending.errors.contains(" of 60"), "\(ending.errors)")
        let left = try Self.states(fixture).filter { $0 == "queued" }.count
        #expect(ending.code == (left > 0 ? 5 : 0), "\(ending.errors)")
    }

    @Test func `run enqueues and answers in one go`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        try FileManager.default.copyItem(
            atPath: Fixtures.path("mha-single-file"), toPath: fixture.folder.path + "/model")
        try FileManager.default.copyItem(
            atPath: Self.video, toPath: fixture.folder.path + "/good.mp4")
        let ending = try fixture.run(
            [
                "run", "good.mp4", "--question", "What?", "--device", "cpu", "--min-free", "0",
                "--report", "r.html",
            ] + Self.settings)
        #expect(ending.code == 0, "\(ending.errors)")
        #expect(ending.output.contains("1 queued") && ending.output.contains("1 answered"))
        #expect(FileManager.default.fileExists(atPath: fixture.folder.path + "/r.html"))
        #expect(try Self.states(fixture) == ["succeeded"])
    }

    @Test func `init and migrate say the schema's version`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        let made = try fixture.rows(["init"])
        let version = try #require(made.first?["schema_version"] as? Int)
        #expect(version >= 4)
        #expect(try fixture.rows(["migrate"]).first?["schema_version"] as? Int == version)
        #expect(try fixture.run(["--queue", "other.db", "migrate"]).code == 69)
        #expect(try fixture.run(["--queue", "sqlite://other.db", "init"]).code == 0)
        #expect(try fixture.run(["--queue", "other.db", "status"]).code == 0)
        #expect(try fixture.rows(["rescue"]).isEmpty)
        // A queue keeps the journal that it was made with.
        #expect(try fixture.run(["--queue", "r.db", "init", "--journal", "rollback"]).code == 0)
        #expect(try fixture.run(["--queue", "r.db", "init"]).code == 0)
        #expect(try fixture.run(["--queue", "r.db", "init", "--journal", "wal"]).code == 78)
    }

    @Test func `a message never shows a password`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        let url = "postgresql://night:s3cret@127.0.0.1:1/queue?connect_timeout=2"
        for verb in [["status"], ["wait"], ["doctor", "--device", "cpu"], ["enqueue", "-"]] {
            let ending = try fixture.run(
                ["--queue", url] + verb, input: "a.mp4", environment: ["PGCONNECT_TIMEOUT": "2"])
            #expect(ending.code != 0)
            #expect(!(ending.errors + ending.output).contains("s3cret"), "\(ending.errors)")
        }
    }
}
