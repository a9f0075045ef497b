import Foundation
import TestSupport
import Testing

/// `inspect VIDEO` with the real binary.
@Suite struct InspectVideoTests {
    private static func video(_ number: Int) -> String {
        Fixtures.packageRoot + "/jobs/demo/videos/generated_\(number).mp4"
    }

    private static func object(_ text: String) throws -> [String: Any] {
        try #require(
            try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
    }

    /// What ffprobe counts, which decodes every frame.
    private static func probe(_ path: String) throws -> [String: Any] {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            "ffprobe", "-v", "error", "-select_streams", "v:0", "-count_frames", "-show_entries",
            "stream=codec_name,width,height,nb_read_frames", "-of", "json", path,
        ]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let object = try JSONSerialization.jsonObject(with: data) as? [String: Any]
        return try #require((object?["streams"] as? [[String: Any]])?.first)
    }

    @Test func `the facts are those of ffprobe, the frames those of linspace`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        let ending = try fixture.run(["inspect", Self.video(2), "--frames", "6", "--json"])
        #expect(ending.code == 0, "\(ending.errors)")
        let line = try Self.object(ending.output)
        let facts = try #require(line["facts"] as? [String: Any])
        let probed = try Self.probe(Self.video(2))
        #expect(facts["codec"] as? String == probed["codec_name"] as? String)
        #expect(facts["width"] as? Int == probed["width"] as? Int)
        #expect(facts["height"] as? Int == probed["height"] as? Int)
        let total = try #require((probed["nb_read_frames"] as? String).flatMap { Int($0) })
        #expect(facts["frame_count"] as? Int == total)
        #expect(line["frame_index"] as? [Int] == (0..<6).map { $0 * (total - 1) / 5 })
        #expect(line["requested_index"] as? [Int] == line["frame_index"] as? [Int])
        #expect(line["substituted_rows"] as? [Int] == [])
        #expect((line["frame_pts_ms"] as? [Double])?.first == 0)
        #expect((line["frames_decoded"] as? Int ?? 0) >= 6)
        #expect(line["sheet"] == nil)
        // Neither a picture nor cached frames without being asked.
        let files = try FileManager.default.contentsOfDirectory(atPath: fixture.folder.path)
        #expect(files.filter { !$0.hasPrefix(".streams") }.isEmpty)
    }

    @Test func `people read the rule, each frame, and find the sheet`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        let ending = try fixture.run([
            "inspect", Self.video(1), "--frames", "3", "--out", "sheet.png",
        ])
        #expect(ending.code == 0, "\(ending.errors)")
        let total = try #require(
            (try Self.probe(Self.video(1))["nb_read_frames"] as? String).flatMap { Int($0) })
        #expect(ending.output.contains("row i shows frame floor(i x \(total - 1) / 2)"))
        let rows = ending.output.split(separator: "\n").suffix(4).dropLast()
            .map { $0.split(separator: " ").prefix(2).compactMap { Int($0) } }
        #expect(rows == [[0, 0], [1, (total - 1) / 2], [2, total - 1]])
        #expect(ending.output.hasSuffix("drawn to sheet.png\n"))
        let png = [UInt8](try Data(contentsOf: fixture.folder.appending(path: "sheet.png")))
        #expect(png.starts(with: [0x89, 0x50, 0x4E, 0x47]))
        let size = [16, 20].map { png[$0..<($0 + 4)].reduce(0) { $0 << 8 | Int($1) } }
        #expect(size[0] == 960 && size[1] > 84 + 168)
    }

    @Test func `a video of fewer frames than asked for says that some repeat`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        let made = Process()
        made.executableURL = URL(filePath: "/usr/bin/env")
        made.arguments = [
            "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=0.4",
            fixture.folder.path + "/two.mkv",
        ]
        try made.run()
        made.waitUntilExit()
        let ending = try fixture.run(["inspect", "two.mkv", "--frames", "4"])
        #expect(ending.code == 0, "\(ending.errors)")
        #expect(ending.output.contains("there are fewer frames, so that some repeat"))
        #expect(ending.output.split(separator: "\n").count { $0.hasSuffix(" again") } == 2)
    }

    @Test func `a file that gives no frames exits with 3, is named, and leaves no sheet`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        try fixture.write("no video", "text.mp4")
        try fixture.write("", "empty.mp4")
        for name in ["text.mp4", "empty.mp4", "missing.mp4", "."] {
            let ending = try fixture.run(["inspect", name, "--out", "sheet.png"])
            #expect(ending.code == 3, "\(ending.errors)")
            #expect(ending.errors.contains(name == "." ? "directory" : name))
            #expect(ending.output.isEmpty)
        }
        let sheet = fixture.folder.path + "/sheet.png"
        #expect(!FileManager.default.fileExists(atPath: sheet))
    }

    @Test(arguments: [
        [], ["a.mp4", "--trace", "t.safetensors"], ["a.mp4", "--layers", "1"],
        ["a.mp4", "--torch", "x"], ["a.mp4", "--frames", "0"], ["a.mp4", "--frames", "65537"],
        ["a.mp4", "--out", "a.jpg"], ["--trace", "t.safetensors", "--frames", "65"],
    ])
    func `inspect refuses what it would ignore or cannot use`(_ arguments: [String]) throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        let ending = try fixture.run(["inspect"] + arguments)
        #expect(ending.code == 2, "\(ending.errors)")
    }
}
