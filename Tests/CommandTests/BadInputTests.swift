import Foundation
import Glibc
import TestSupport
import Testing

/// Questions, names and lists as they come from outside.
@Suite struct BadInputTests {
    private static let video = Fixtures.packageRoot + "/jobs/demo/videos/generated_1.mp4"

    private static func fixture() throws -> CommandFixture {
        let fixture = try CommandFixture()
        try FileManager.default.copyItem(atPath: video, toPath: fixture.folder.path + "/good.mp4")
        return fixture
    }

    private static let hostile = [
        "\u{1B}[2J\u{1B}]0;title\u{7}\u{9B}31m", "a\rb\u{8}\u{0B}", "'; DROP TABLE jobs; --",
        "%n%n%s%d", "\u{202E}txet desrever", "\\", "\"", "{}", "🎬 ñ \u{301}",
        String(repeating: "long ", count: 6000),
    ]

    @Test func `hostile questions are asked as they are and never sent to a terminal raw`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let enqueued = try fixture.run(
            ["enqueue", "good.mp4"] + Self.hostile.flatMap { ["--question", $0] })
        #expect(enqueued.code == 0, "\(enqueued.errors)")
        let rows = try fixture.rows(["list"])
        #expect(rows.compactMap { $0["question"] as? String } == Self.hostile)
        for verb in [["list"], ["list", "--json"], ["show", "1-20"], ["show", "1-20", "--json"]] {
            let ending = try fixture.run(verb)
            #expect(ending.code == 0)
            let raw = ending.output.unicodeScalars.filter {
                $0.value < 0x20 && $0 != "\n" || (0x7F..<0xA0).contains($0.value)
                    || $0.value == 0x202E
            }
            #expect(raw.isEmpty, "\(verb): \(raw.map(\.value))")
        }
        let held = try fixture.run(["hold", "custom_id='; DROP TABLE jobs; --"])
        #expect(held.output.contains("0 jobs held back"))
        #expect(try fixture.rows(["list"]).count == Self.hostile.count)
    }

    @Test func `a question that no queue can hold is a usage error`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let long = String(repeating: "x", count: 32769)
        let ending = try fixture.run(["enqueue", "good.mp4", "--question", long])
        #expect(ending.code == 2)
        #expect(ending.errors.contains("32769 characters, expected 1 to 32768"))
        let most = String(long.dropLast())
        #expect(try fixture.run(["enqueue", "good.mp4", "--question", most]).code == 0)
        #expect(try fixture.rows(["list"]).first?["question"] as? String == most)
    }

    @Test func `wrong lines are reported by number, and all good ones are queued`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        var data = Data()
        func add(_ line: String) { data += Data((line + "\n").utf8) }
        add(#"{"custom_id":"a","video":"good.mp4","question":"One?"}"#)
        add("")
        add(#"{"custom_id":"a","video":"good.mp4","question":"Twice?"}"#)
        add(#"{"video":"good.mp4","question":"#)
        data += Data([0x7B, 0xFF, 0xFE, 0x0A])
        add(#"{"video":"good.mp4","question":"a\u0000b"}"#)
        add(#"{"custom_id":"b","video":"good.mp4","question":"Two?"}"#)
        add(
            #"{"custom_id":"c","body":{"messages":[{"role":"user","content":[{"type":"text","text":"Three?"},{"type":"video_url","video_url":{"url":"good.mp4"}}]}]}}"#
        )
        data += Data(#"{"video":"good.mp4","question":"No line end?"}"#.utf8)
        try data.write(to: fixture.folder.appending(path: "list.jsonl"))
        let ending = try fixture.run(["enqueue", "list.jsonl", "--errors", "wrong.jsonl"])
        #expect(ending.code == 3)
        let told = ending.errors.split(separator: "\n").map(String.init)
        #expect(told.count == 4, "\(told)")
        for (line, what) in zip(
            told,
            [
                "3: `custom_id` a stands in line 1", "4: is not JSON", "5: is not UTF-8",
                "6: `question`: holds a NUL",
            ])
        {
            #expect(line.hasPrefix("list.jsonl:" + what), "\(line)")
        }
        let written = try String(
            contentsOf: fixture.folder.appending(path: "wrong.jsonl"), encoding: .utf8
        ).split(separator: "\n").compactMap {
            try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        }
        #expect(written.compactMap { $0["line"] as? Int } == [3, 4, 5, 6])
        let rows = try fixture.rows(["list"])
        #expect(
            rows.compactMap { $0["question"] as? String }
                == ["One?", "Two?", "Three?", "No line end?"])
        let again = try fixture.run(["enqueue", "list.jsonl"])
        #expect(again.output.contains("0 queued, 4 reused"))
    }

    @Test func `names with line ends and without UTF-8 keep no other file out`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let folder = fixture.folder.path + "/in"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for name in ["a\nb.mp4", "\u{1B}[31m.mp4", "plain.mp4"] {
            try FileManager.default.copyItem(atPath: Self.video, toPath: folder + "/" + name)
        }
        // A link, whose name the system takes as bytes.
        let path = Array((folder + "/caf").utf8) + [0xE9] + Array(".mp4".utf8) + [0]
        let made = path.map { CChar(bitPattern: $0) }.withUnsafeBufferPointer { bytes in
            bytes.baseAddress.map { symlink(Self.video, $0) } ?? -1
        }
        try #require(made == 0)
        let ending = try fixture.run(["enqueue", "in", "--question", "What?"])
        #expect(ending.code == 0)
        #expect(ending.errors.contains(#"caf\xe9.mp4: a name that is not UTF-8, left out"#))
        // Three copies of one video are one question.
        #expect(ending.output.contains("1 queued, 2 reused"), "\(ending.output)")
        #expect(!ending.errors.contains("\u{1B}"))
        let verbose = try fixture.run(["--verbose", "enqueue", "in", "--question", "What?"])
        #expect(verbose.output.contains(#"a\nb.mp4"#))
        #expect(!verbose.output.contains("\u{1B}"))
    }
}
