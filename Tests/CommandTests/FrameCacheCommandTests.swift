import Foundation
import Glibc
import TestSupport
import Testing

/// The frame cache with the real binary: a random checkpoint of half a megabyte, a real video.
@Suite struct FrameCacheCommandTests {
    private static func fixture() throws -> CommandFixture {
        let fixture = try CommandFixture()
        try FileManager.default.copyItem(
            atPath: Fixtures.packageRoot + "/jobs/demo/videos/generated_1.mp4",
            toPath: fixture.folder.path + "/a.mp4")
        return fixture
    }

    private static let settings = [
        "--frames", "4", "--max-new-tokens", "4", "--model", Fixtures.path("mha-single-file"),
    ]

    private static func ask(_ video: String = "a.mp4", _ more: String...) -> [String] {
        ["ask", video, "--question", "What?", "--device", "cpu", "--json"] + settings + more
    }

    private static func object(_ text: String) throws -> [String: Any] {
        try #require(
            try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
    }

    /// Whether an answer's frames came from the cache, or were those of the question before.
    private static func isHit(_ answer: [String: Any]) throws -> Bool {
        let extra = try object(try #require(answer["extra_json"] as? String))
        #expect((extra["frame_index"] as? [Int])?.count == 4)
        let isShared = try #require(extra["visual_tokens_shared"] as? Bool)
        return try #require(extra["frames_from_cache"] as? Bool) || isShared
    }

    private static func entries(_ fixture: CommandFixture) -> [String] {
        let folder = fixture.cacheHome.path + "/zipvl-batch/frames"
        return ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
            .filter { $0.hasSuffix(".frames") }.map { "\(folder)/\($0)" }
    }

    @Test func `a second question gets the same bytes from the cache, and its row says so`() throws
    {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let first = try fixture.run(Self.ask("a.mp4", "--trace", "1.safetensors"))
        #expect(first.code == 0, "\(first.errors)")
        #expect(try !Self.isHit(Self.object(first.output)))
        try FileManager.default.moveItem(
            atPath: fixture.folder.path + "/a.mp4", toPath: fixture.folder.path + "/b.mp4")
        let second = try fixture.run(Self.ask("b.mp4", "--trace", "2.safetensors"))
        let (miss, hit) = (try Self.object(first.output), try Self.object(second.output))
        #expect(try Self.isHit(hit))
        #expect(second.errors.isEmpty)
        #expect(hit["answer"] as? String == miss["answer"] as? String)
        // Frames, what the model made of them and its logits.
        let traces = try [1, 2].map {
            try Data(contentsOf: fixture.folder.appending(path: "\($0).safetensors"))
        }
        #expect(traces[0] == traces[1])
        #expect(Self.entries(fixture).count == 1)
    }

    @Test func `--no-cache reads no entry and writes none`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        #expect(try !Self.isHit(Self.object(fixture.run(Self.ask("a.mp4", "--no-cache")).output)))
        #expect(!FileManager.default.fileExists(atPath: fixture.cacheHome.path))
        try fixture.run(Self.ask())
        let entry = try #require(Self.entries(fixture).first)
        let line = try Self.object(fixture.run(Self.ask("a.mp4", "--no-cache")).output)
        #expect(try !Self.isHit(line))
        #expect((line["options_json"] as? String)?.contains("\"no_cache\":true") == true)
        #expect(Self.entries(fixture) == [entry])
    }

    @Test func `a damaged entry and a place that cannot be written cost a warning only`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let answer = try Self.object(fixture.run(Self.ask()).output)["answer"] as? String
        let entry = try #require(Self.entries(fixture).first)
        truncate(entry, 1000)
        let sampled = try fixture.run(Self.ask())
        #expect(sampled.code == 0)
        #expect(sampled.errors.contains("warning: frame cache: \(entry): expected "))
        #expect(try !Self.isHit(Self.object(sampled.output)))
        #expect(try Self.object(sampled.output)["answer"] as? String == answer)
        #expect(try Self.isHit(Self.object(fixture.run(Self.ask()).output)))

        try FileManager.default.removeItem(at: fixture.cacheHome)
        try fixture.write("a file", ".cache")
        let uncached = try fixture.run(Self.ask())
        #expect(uncached.code == 0)
        #expect(uncached.errors.contains("Not a directory; sampled frames are not kept any more"))
        #expect(try Self.object(uncached.output)["answer"] as? String == answer)
    }

    @Test func `a worker decodes a video once for all its questions, unless told not to`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        func hits(_ range: ClosedRange<Int>) throws -> [Bool] {
            try range.map { id in
                let detail = try Self.object(fixture.run(["show", "\(id)", "--json"]).output)
                return try Self.isHit(try #require(detail["answer"] as? [String: Any]))
            }
        }
        let questions = ["One?", "Two?", "Three?"].flatMap { ["--question", $0] }
        let enqueue = ["enqueue", "a.mp4"] + Self.settings + questions
        try fixture.run(enqueue)
        let work = ["work", "--drain", "--device", "cpu"]
        #expect(try fixture.run(work + ["--no-cache"]).code == 0)
        #expect(try hits(1...3) == [false, false, false])
        #expect(Self.entries(fixture).isEmpty)

        // The same questions under another seed are other jobs.
        try fixture.run(enqueue + ["--seed", "1"])
        // Two workers at once: whoever comes later finds the frames.
        let workers = try (1...2).map { _ in try fixture.start(work) }
        for worker in workers { #expect(try worker.end().code == 0) }
        #expect(try hits(4...6).contains(true))
        #expect(Self.entries(fixture).count == 1)

        try fixture.run(enqueue + ["--no-cache"])
        #expect(try fixture.run(work).code == 0)
        #expect(try hits(7...9) == [false, false, false])
    }
}
