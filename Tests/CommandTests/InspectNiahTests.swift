import Foundation
import TestSupport
import Testing

/// Figures from the real binary, with a random checkpoint of half a megabyte.
@Suite struct InspectNiahTests {
    private static func video(_ number: Int) -> String {
        Fixtures.packageRoot + "/jobs/demo/videos/generated_\(number).mp4"
    }

    private static let model = [
        "--model", Fixtures.path("mha-single-file"), "--device", "cpu", "--max-new-tokens", "4",
    ]

    /// Width and height that a PNG file states in its first chunk.
    private static func size(ofPNG url: URL) throws -> [Int] {
        let bytes = [UInt8](try Data(contentsOf: url))
        try #require(bytes.count > 24)
        #expect(bytes.prefix(8) == [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
        return [16, 20].map { bytes[$0..<($0 + 4)].reduce(0) { $0 << 8 | Int($1) } }
    }

    private static func objects(_ text: String) throws -> [[String: Any]] {
        try text.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
    }

    @Test func `inspect draws the trace of an answer and prints what the answer counted`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        let asked = try fixture.run(
            [
                "ask", Self.video(1), "--question", "What?", "--frames", "6", "--method", "zipvl",
                "--tau", "0.6", "--probes", "4,4", "--trace", "t.safetensors", "--json",
            ] + Self.model)
        #expect(asked.code == 0, "\(asked.errors)")
        let answer = try #require(try Self.objects(asked.output).first)

        let drawn = try fixture.run(["inspect", "--trace", "t.safetensors"])
        #expect(drawn.code == 0, "\(drawn.errors)")
        #expect(drawn.output.contains("drawn to t.png"))
        let size = try Self.size(ofPNG: fixture.folder.appending(path: "t.png"))
        #expect(size[0] >= 1080 && size[1] > 300)

        let lines = try Self.objects(
            try fixture.run([
                "inspect", "--trace", "t.safetensors", "--json", "--out", "u.png", "--layers", "0",
                "--frames", "2",
            ]).output)
        #expect(
            try Self.size(ofPNG: fixture.folder.appending(path: "u.png"))[1] < size[1])
        let ratios = lines.compactMap { $0["kept_token_ratio"] as? Double }
        let mean = ratios.reduce(0, +) / Double(max(ratios.count, 1))
        let counted = try #require(answer["kept_token_ratio_mean"] as? Double)
        #expect(counted < 0.99)
        #expect(abs(mean - counted) < 1e-9)
        for line in lines {
            #expect((line["kept_visual_ratio_by_frame"] as? [Any])?.count == 6)
            #expect(line["prompt_tokens"] as? Int == answer["prompt_tokens"] as? Int)
        }
    }

    @Test func `inspect refuses what is no trace, and a picture that cannot be written`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        let model = Fixtures.path("mha-single-file") + "/model.safetensors"
        let ending = try fixture.run(["inspect", "--trace", model])
        #expect(ending.code == 2)
        #expect(ending.errors.contains("model.safetensors: has no tensor `frames`"))
        let files = try FileManager.default.contentsOfDirectory(atPath: fixture.folder.path)
        #expect(files.filter { !$0.hasPrefix(".") }.isEmpty)
        let missing = try fixture.run(["inspect"])
        #expect(missing.code == 2)
        #expect(missing.errors.contains("expected either a video, or --trace"))
        for arguments in [
            ["--out", "a.jpg"], ["--out", "none/a.png"], ["--layers", "0,,1"], ["--frames", "0"],
        ] {
            #expect(try fixture.run(["inspect", "--trace", model] + arguments).code == 2)
        }
    }

    @Test func `niah finds every needle whose answer is the expected one`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        let lines = [3, 4].map { number in
            #"{"video": "\#(Self.video(number))", "question": "What is it?", "expected": "no such"}"#
        }
        try fixture.write(lines.joined(separator: "\n"), "n.jsonl")
        let arguments =
            [
                "niah", "--haystack", Self.video(1), "--needles", "n.jsonl", "--lengths", "6,2",
                "--depths", "100,0", "--method", "full",
            ] + Self.model
        let first = try fixture.run(arguments + ["--json"])
        #expect(first.code == 0, "\(first.errors)")
        let cells = try Self.objects(first.output)
        #expect(cells.compactMap { $0["frames"] as? Int } == [2, 2, 6, 6])
        #expect(cells.compactMap { $0["depth"] as? Int } == [0, 100, 0, 100])
        #expect(cells.compactMap { $0["frame_index"] as? Int } == [0, 1, 0, 5])
        #expect(cells.compactMap { $0["n"] as? Int } == [2, 2, 2, 2])
        #expect(cells.compactMap { $0["accuracy"] as? Double } == [0, 0, 0, 0])
        #expect(try Self.size(ofPNG: fixture.folder.appending(path: "niah.png"))[0] > 200)

        // What the random model says to the first needle at one place becomes what is expected.
        let needles = try #require(cells[2]["needles"] as? [[String: Any]])
        let said = try #require(needles[0]["answer"] as? String)
        // It may say anything, quotation marks and line breaks included.
        let quoted = try #require(
            String(data: JSONEncoder().encode(said), encoding: .utf8))
        try fixture.write(lines[0].replacing(#""no such""#, with: quoted), "n.jsonl")
        let second = try fixture.run(arguments + ["--out", "second.png"])
        #expect(second.code == 0, "\(second.errors)")
        let row = try #require(second.output.split(separator: "\n").first { $0.contains("  0%") })
        #expect(row.contains("100% (1/1)"), "\(second.output)")
        #expect(second.output.contains("drawn to second.png"))
    }

    @Test(arguments: [
        ["--frames", "8"], ["--lengths", "0"], ["--lengths", "a"], ["--depths", "101"],
        ["--out", "a.pdf"], ["--needles", "none.jsonl"], ["--method", "full", "--tau", "0.5"],
    ])
    func `niah refuses what it cannot use`(_ arguments: [String]) throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        let ending = try fixture.run(["niah", "--haystack", Self.video(1)] + arguments)
        #expect(ending.code == 2, "\(ending.errors)")
        #expect(!ending.errors.isEmpty)
    }
}
