import Foundation
import Glibc
import TestSupport
import Testing

/// The whole path with the real engine: a random checkpoint of half a megabyte, a real video.
@Suite struct WorkCommandTests {
    private static let video = Fixtures.packageRoot + "/jobs/demo/videos/generated_1.mp4"

    /// A folder with a model of its own, which the test may break, and one good video.
    private static func fixture() throws -> CommandFixture {
        let fixture = try CommandFixture()
        try FileManager.default.copyItem(
            atPath: Fixtures.path("mha-single-file"), toPath: fixture.folder.path + "/model")
        try FileManager.default.createDirectory(
            at: fixture.folder.appending(path: "in"), withIntermediateDirectories: true)
        try FileManager.default.copyItem(
            atPath: video, toPath: fixture.folder.path + "/in/good.mp4")
        return fixture
    }

    private static let settings = ["--frames", "4", "--max-new-tokens", "4"]

    @Test func `a directory becomes answers, whatever else lies in it`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        try fixture.write("", "in/empty.mp4")
        let enqueued = try fixture.run(
            ["enqueue", "in", "--question", "One?", "--question", "Two?", "--model", "model"]
                + Self.settings)
        #expect(enqueued.output.contains("in: 2 queued, 0 reused, 2 rejected"))
        let worked = try fixture.run(["work", "--drain", "--device", "cpu"])
        #expect(worked.code == 0, "\(worked.errors)")
        #expect(worked.output.contains("2 answered"))
        let rows = try fixture.rows(["results"])
        #expect(rows.compactMap { $0["question"] as? String } == ["One?", "Two?"])
        for row in rows {
            #expect(row["frames_used"] as? Int == 4)
            #expect(row["method"] as? String == "zipvl")
            #expect(row["tau"] as? Double == 0.975)
            #expect((row["peak_host_mib"] as? Double ?? 0) > 1)
            #expect((row["total_ms"] as? Double ?? 0) > 0)
        }
        let batch = try fixture.run(["export", "--format", "openai"]).output
        let lines = try batch.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        #expect(lines.count == 4)
        #expect(lines.filter { $0["error"] is NSNull }.count == 2)
        #expect(try fixture.run(["export", "--format", "csv"]).output.contains("attn_flops_used"))
        #expect(try fixture.run(["work", "--drain", "--fail-if-empty"]).code == 4)
    }

    @Test func `a model that broke fails its jobs and no others`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let folder = fixture.folder.path
        let names = ["missing", "short", "changed"]
        for name in names {
            try FileManager.default.copyItem(
                atPath: folder + "/model", toPath: "\(folder)/\(name)")
            // Another model by its fingerprint, so that its jobs are jobs of their own.
            try fixture.write(
                "{\"added_tokens_decoder\": {}, \"note\": \"\(name)\"}",
                "\(name)/tokenizer_config.json")
        }
        for name in names + ["model"] {
            let ending = try fixture.run(
                ["enqueue", "in", "--question", "What?", "--model", name, "--batch", name]
                    + Self.settings)
            #expect(ending.code == 0, "\(ending.errors)")
        }
        try FileManager.default.removeItem(atPath: folder + "/missing/model.safetensors")
        truncate(folder + "/short/model.safetensors", 300_000)
        try fixture.write("{\"note\": \"other\"}", "changed/tokenizer_config.json")

        let worked = try fixture.run(["work", "--drain", "--device", "cpu"])
        #expect(worked.code == 3, "\(worked.errors)")
        let rows = try fixture.rows(["list"])
        func row(_ batch: String) -> [String: Any] {
            rows.first { $0["batch"] as? String == batch } ?? [:]
        }
        #expect(row("model")["state"] as? String == "succeeded")
        for name in names {
            #expect(row(name)["state"] as? String == "failed")
            #expect(row(name)["error_class"] as? String == "internal")
            #expect((row(name)["error_message"] as? String)?.contains("/\(name)") == true)
        }
    }

    @Test func `work that is left at the limit of jobs is told by the exit code`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        try fixture.run(
            ["enqueue", "in", "--question", "One?", "--question", "Two?", "--model", "model"]
                + Self.settings)
        #expect(try fixture.run(["work", "--max-jobs", "1", "--device", "cpu"]).code == 5)
        #expect(try fixture.run(["work", "--max-jobs", "1", "--device", "cpu"]).code == 0)
    }

    @Test func `a signal ends a waiting worker, and its job is done or given back`() async throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let questions = (1...40).flatMap { ["--question", "Question \($0)?"] }
        try fixture.run(["enqueue", "in", "--model", "model"] + Self.settings + questions)
        let worker = try fixture.start(["work", "--drain", "--device", "cpu"])
        // Until the first answer is there the worker may still be loading.
        while try fixture.rows(["list", "--state", "succeeded"]).isEmpty {
            try #require(worker.process.isRunning)
            try await Task.sleep(for: .milliseconds(50))
        }
        worker.signal(SIGTERM)
        let ending = try worker.end()
        let rows = try fixture.rows(["list"])
        let states = Set(rows.compactMap { $0["state"] as? String })
        #expect(states.isSubset(of: ["succeeded", "queued"]))
        #expect(ending.code == (states.contains("queued") ? 5 : 0), "\(ending.errors)")
        #expect(
            rows.allSatisfy {
                $0["state"] as? String == "succeeded" || $0["attempts_made"] as? Int == 0
            })
    }

    @Test func `questions about one video share its visual tokens, and the answers are the same`()
        throws
    {
        let answers = try [[], ["--no-cache"]].map { more in
            let fixture = try Self.fixture()
            defer { fixture.remove() }
            try fixture.run(
                ["enqueue", "in", "--model", "model"] + Self.settings
                    + ["One?", "Two?", "Three?"].flatMap { ["--question", $0] })
            let worked = try fixture.run(["work", "--drain", "--device", "cpu"] + more)
            #expect(worked.code == 0, "\(worked.errors)")
            let rows = try fixture.rows(["results"]).sorted {
                ($0["job_id"] as? Int ?? 0) < ($1["job_id"] as? Int ?? 0)
            }
            try #require(rows.count == 3)
            for (index, row) in rows.enumerated() {
                let isFirst = index == 0 || !more.isEmpty
                let extra = try fixture.run(["show", "\(row["job_id"] ?? 0)", "--json"]).output
                #expect(
                    extra.contains("visual_tokens_shared\\\":\(!isFirst)"), "\(index): \(extra)")
                #expect((row["vision_ms"] as? Double == 0) == !isFirst)
                #expect((row["decode_video_ms"] as? Double == 0) == !isFirst)
            }
            return rows.map { "\($0["question"] ?? "") \($0["answer"] ?? "")" }
        }
        #expect(answers[0] == answers[1])
    }

    @Test func `work on GPUs says where there is none`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        try fixture.run(
            ["enqueue", "in", "--question", "One?", "--model", "model"] + Self.settings)
        // With a driver there is no such GPU, and without one there is no driver.
        let ending = try fixture.run(["work", "--drain", "--gpus", "4096"])
        #expect(ending.code == 69)
        #expect(ending.errors.contains("GPU") || ending.errors.contains("libcuda"))
    }

    @Test func `ask answers without a queue, the same as before`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let arguments =
            ["ask", "in/good.mp4", "--question", "What?", "--model", "model", "--device", "cpu"]
            + Self.settings
        let first = try fixture.run(arguments + ["--trace", "t.safetensors"])
        #expect(first.code == 0, "\(first.errors)")
        #expect(!first.output.isEmpty)
        #expect(FileManager.default.fileExists(atPath: fixture.folder.path + "/t.safetensors"))
        #expect(try fixture.run(arguments).output == first.output)
        #expect(!FileManager.default.fileExists(atPath: fixture.folder.path + "/zipvl.db"))
    }

    @Test func `ask about a file that is no video exits with 3 and names it`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        try fixture.write("text", "a.mp4")
        let ending = try fixture.run(
            ["ask", "a.mp4", "--question", "What?", "--model", "model", "--device", "cpu"])
        #expect(ending.code == 3)
        #expect(ending.errors.contains("a.mp4"))
    }

    @Test func `doctor is content with a good model and not with a broken one`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let good = try fixture.run(["doctor", "--model", "model", "--device", "cpu"])
        #expect(good.code == 0, "\(good.output)")
        for subject in ["libtorch", "ffmpeg", "sampler", "model", "queue", "disk"] {
            #expect(good.output.contains(" \(subject) "))
        }
        truncate(fixture.folder.path + "/model/model.safetensors", 300_000)
        let bad = try fixture.run(["doctor", "--model", "model", "--device", "cpu"])
        #expect(bad.code == 1)
        #expect(bad.output.contains("error    model"))
    }
}
