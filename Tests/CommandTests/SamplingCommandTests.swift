import Foundation
import TestSupport
import Testing

/// Sampling modes, decoding and the size of the cache with the real binary: a random checkpoint of half a
/// megabyte, a real video.
@Suite struct SamplingCommandTests {
    /// Key frames by ffprobe: 0, 16, 32, 48, 72, 104 of 128.
    private static let keys = [0, 16, 32, 48, 72, 104]
    /// `linspace` of four frames, and the keys nearest to them.
    private static let (asked, nearest) = ([0, 42, 84, 127], [0, 48, 72, 104])
    private static let substituted = [[1, 42, 48], [2, 84, 72], [3, 127, 104]]
    private static let warning =
        "sampling keyframe is inexact: 3 of 4 rows show the nearest key frame, up to 23 frames away; "
        + "4 different frames in all"

    private static func fixture() throws -> CommandFixture {
        let fixture = try CommandFixture()
        try FileManager.default.copyItem(
            atPath: Fixtures.packageRoot + "/jobs/demo/videos/generated_1.mp4",
            toPath: fixture.folder.path + "/a.mp4")
        return fixture
    }

    private static let model = ["--model", Fixtures.path("mha-single-file")]
    private static let settings = ["--frames", "4", "--max-new-tokens", "4"] + model

    private static func ask(_ more: [String]) -> [String] {
        ["ask", "a.mp4", "--question", "What?", "--device", "cpu", "--json"] + settings + more
    }

    private static func object(_ text: String) throws -> [String: Any] {
        try #require(
            try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
    }

    @Test func `inspect shows the nearest key frames and calls them inexact`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let inspect = ["inspect", "a.mp4", "--frames", "4", "--sampling", "keyframe"]
        let line = try Self.object(fixture.run(inspect + ["--json"]).output)
        #expect(line["sampling"] as? String == "keyframe")
        #expect(line["requested_index"] as? [Int] == Self.asked)
        #expect(line["frame_index"] as? [Int] == Self.nearest)
        #expect(line["substituted_frames"] as? [[Int]] == Self.substituted)
        #expect(line["warnings"] as? [String] == [Self.warning])
        #expect(line["frames_decoded"] as? Int == 4)
        #expect(line["side"] as? Int == 336)

        let ending = try fixture.run(inspect)
        #expect(ending.code == 0)
        #expect(ending.output.contains("sampled    keyframe (inexact): 4 frames, not those"))
        #expect(ending.output.contains("the key frame nearest to 84\n"))
        #expect(!ending.output.contains("could not be read"))
        #expect(ending.errors.contains("warning: " + Self.warning))
    }

    @Test func `inspect names the times of the mode time, and takes a model's side`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let inspect = ["inspect", "a.mp4", "--frames", "4", "--sampling", "time"]
        let text = try fixture.run(inspect + ["--side", "24"]).output
        #expect(text.contains("sampled    time: 4 frames evenly in seconds, first to last"))
        let line = try Self.object(fixture.run(inspect + Self.model + ["--json"]).output)
        // The clip's frames are evenly spaced.
        #expect(line["frame_index"] as? [Int] == Self.asked)
        let config = try Self.object(
            String(contentsOfFile: Fixtures.path("mha-single-file/config.json"), encoding: .utf8))
        let vision = try #require(config["vision_config"] as? [String: Any])
        #expect(line["side"] as? Int == vision["image_size"] as? Int)
    }

    @Test func `ask says the mode, each frame that is another, and that it is inexact`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let ending = try fixture.run(Self.ask(["--sampling", "keyframe", "--decode-threads", "1"]))
        #expect(ending.code == 0, "\(ending.errors)")
        let line = try Self.object(ending.output)
        #expect(line["sampling"] as? String == "keyframe")
        #expect(line["substituted_frames"] as? [[Int]] == Self.substituted)
        #expect(line["warnings"] as? [String] == [Self.warning])
        #expect(ending.errors == "warning: \(Self.warning)\n")
        let exact = try Self.object(fixture.run(Self.ask(["--hwaccel", "auto"])).output)
        #expect(exact["sampling"] as? String == "exact")
        #expect((exact["substituted_frames"] as? [Any])?.isEmpty == true)
        // How it was decoded is no part of the question.
        #expect((exact["options_json"] as? String)?.contains("hwaccel") == false)
    }

    @Test func `each mode is a job of its own, and its row says what it shows`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let enqueue = ["enqueue", "a.mp4", "--question", "What?"] + Self.settings
        for mode in ["exact", "keyframe", "time", "keyframe"] {
            #expect(try fixture.run(enqueue + ["--sampling", mode]).code == 0)
        }
        let work = ["work", "--drain", "--device", "cpu", "--decode-threads", "1"]
        #expect(try fixture.run(work).code == 0)
        let rows = try fixture.rows(["results"])
        #expect(rows.map { $0["sampling"] as? String } == ["exact", "keyframe", "time"])
        #expect(rows[1]["substituted_frames"] as? [[Int]] == Self.substituted)
        #expect(rows[1]["warnings"] as? String == Self.warning)
        for row in [rows[0], rows[2]] { #expect(row["substituted_frames"] is NSNull) }

        let table = try fixture.run(["results"], environment: ["COLUMNS": "240"]).output
        #expect(table.contains("keyframe (inexact), 3 of 4 others"))
        let shown = try fixture.run(["show", "2"]).output
        #expect(shown.contains("  sampling    keyframe (inexact)\n"))
        #expect(
            shown.contains(
                "  substitutes 3 of 4 frames, asked for -> shown: 42 -> 48, 84 -> 72, 127 -> 104\n")
        )
        #expect(shown.contains("  warning     \(Self.warning)"))
        #expect(try !fixture.run(["show", "1"]).output.contains("substitutes"))
        let export = try fixture.run(["export", "--format", "csv"]).output
        #expect(export.contains("\"[[1,42,48],[2,84,72],[3,127,104]]\""))
    }

    @Test func `a job file chooses the mode, and no machine's settings`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        func job(_ setting: String) throws -> CommandFixture.Ending {
            try fixture.write(
                """
                version: 1
                name: x
                analysis:
                  \(setting)
                input: {videos: [a.mp4]}
                questions: [q]
                """, "job.yaml")
            return try fixture.run(["enqueue", "--job", "job.yaml"])
        }
        #expect(try job("sampling: keyframe").code == 0)
        let options = try fixture.rows(["show", "1"])[0]["options_json"] as? String
        #expect(options?.contains("\"sampling\":\"keyframe\"") == true)
        for (key, value) in [
            ("hwaccel", "cuda"), ("decode_threads", "2"), ("cache_size", "1"),
        ] {
            let ending = try job("\(key): \(value)")
            #expect(ending.code == 2)
            let flag = "--" + key.replacing("_", with: "-")
            #expect(ending.errors.contains("job.yaml:4: `\(key)` changes no answer"))
            #expect(ending.errors.contains("work \(flag)"))
        }
        #expect(try job("sampling: nearest").errors.contains("exact, time, keyframe"))
    }

    @Test func `kept frames stay within the size that was given`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let folder = fixture.cacheHome.path + "/zipvl-batch/frames"
        func entries() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: folder)
                .filter { $0.hasSuffix(".frames") }
        }
        for mode in ["exact", "keyframe"] { try fixture.run(Self.ask(["--sampling", mode])) }
        #expect(try entries().count == 2)
        let file = try #require(try entries().first)
        let facts = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(file)")
        let bytes = try #require(facts[.size] as? Int)
        let size = String(format: "%.12f", 1.5 * Double(bytes) / 0x1p30)
        let last = try fixture.run(Self.ask(["--sampling", "time", "--cache-size", size]))
        #expect(last.code == 0, "\(last.errors)")
        #expect(try entries().count == 1)
    }

    @Test(arguments: [
        ["inspect", "a.mp4", "--sampling", "nearest"], ["inspect", "a.mp4", "--side", "0"],
        ["inspect", "a.mp4", "--side", "8193"],
        ["inspect", "a.mp4", "--side", "8", "--model", "m"],
        ["inspect", "a.mp4", "--hwaccel", "gpu"], ["inspect", "a.mp4", "--decode-threads", "-1"],
        ["inspect", "--trace", "t", "--sampling", "time"],
        ["inspect", "--trace", "t", "--side", "8"],
        ["inspect", "--trace", "t", "--decode-threads", "1"],
        ["inspect", "--trace", "t", "--hwaccel", "none"],
        ["inspect", "--trace", "t", "--model", "m"],
        ["ask", "a.mp4", "--question", "q", "--sampling", "nearest"],
        ["work", "--decode-threads", "1025"], ["work", "--hwaccel", "gpu"],
        ["work", "--cache-size", "0"], ["work", "--cache-size", "-1"],
        ["work", "--cache-size", "nan"], ["work", "--cache-size", "many"],
        ["work", "--cache-size", "1", "--no-cache"],
        ["ask", "a.mp4", "--question", "q", "--cache-size", "1", "--no-cache"],
        ["niah", "--cache-size", "1", "--no-cache"],
        ["eval", "m.jsonl", "--cache-size", "1", "--no-cache"],
        ["enqueue", "a.mp4", "--question", "q", "--hwaccel", "cuda"],
    ])
    func `what cannot be used or would be ignored is a usage error`(_ arguments: [String]) throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        let ending = try fixture.run(arguments)
        #expect(ending.code == 2, "\(ending.errors)")
        #expect(ending.output.isEmpty)
    }
}
