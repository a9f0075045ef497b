import Foundation
import Glibc
import TestSupport
import Testing

/// The whole path with the real engine: a random checkpoint of half a megabyte, the demo's videos.
@Suite struct EvalCommandTests {
    private static let videos = Fixtures.packageRoot + "/jobs/demo/videos"

    /// A folder with a small model and 42 questions about six videos.
    private static func fixture() throws -> CommandFixture {
        let fixture = try CommandFixture()
        try FileManager.default.copyItem(
            atPath: Fixtures.path("mha-single-file"), toPath: fixture.folder.path + "/model")
        let demo = Fixtures.packageRoot + "/jobs/demo"
        try FileManager.default.createSymbolicLink(
            atPath: fixture.folder.path + "/videos", withDestinationPath: videos)
        try FileManager.default.copyItem(
            atPath: demo + "/questions.jsonl", toPath: fixture.folder.path + "/list.jsonl")
        return fixture
    }

    private static let settings = [
        "--model", "model", "--max-new-tokens", "4", "--device", "cpu", "--method", "zipvl:tau=0.5",
    ]

    private static func eval(
        _ list: String = "list.jsonl", queue: String = "q.db", _ more: String...
    ) -> [String] {
        ["eval", list, "--queue", queue, "--frames", "2,3"] + settings + more
    }

    /// The rows of `--json` without the one figure that is a time.
    private static func table(_ output: String) throws -> [String] {
        try output.split(separator: "\n").map { line in
            var row = try #require(
                try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            row["prefill_ratio"] = nil
            let data = try JSONSerialization.data(withJSONObject: row, options: .sortedKeys)
            return String(decoding: data, as: UTF8.self)
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `killed in the midst it goes on where it stopped, to the same table`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let whole = try fixture.run(Self.eval(queue: "whole.db", "--json"))
        #expect(whole.code == 0, "\(whole.errors)")
        let expected = try Self.table(whole.output)
        #expect(expected.count == 4)

        // Killed when the third of twelve pieces (6 videos, 2 numbers of frames) has begun, and again
        // when the next run has begun its second one.
        for place in ["[3/", "[2/"] {
            let running = try fixture.start(Self.eval("list.jsonl"))
            let errors = running.streams.appending(path: "err")
            while running.process.isRunning {
                let text = String(decoding: try Data(contentsOf: errors), as: UTF8.self)
                if text.contains(place) { break }
                usleep(2000)
            }
            running.signal(SIGKILL)
            let ending = try running.end()
            #expect(ending.code == SIGKILL, "\(ending.errors)")
            #expect(ending.output.isEmpty)
        }
        let resumed = try fixture.run(Self.eval("list.jsonl", "--json"))
        #expect(resumed.code == 0, "\(resumed.errors)")
        #expect(resumed.errors.contains("of 168 answers stand from before"))
        #expect(try Self.table(resumed.output) == expected)

        // Nothing is left to do: no video is opened again.
        let again = try fixture.run(Self.eval("list.jsonl", "--json"))
        #expect(again.errors == "168 of 168 answers stand from before\n")
        #expect(try Self.table(again.output) == expected)
    }

    @Test(.timeLimit(.minutes(5)))
    func `with a limit only the first questions are asked, and a run without one goes on`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let few = try fixture.run(
            Self.eval("list.jsonl", queue: "few.db", "--limit", "5", "--json"))
        #expect(few.code == 0, "\(few.errors)")
        #expect(try Self.table(few.output).allSatisfy { $0.contains(#""answered":5,"#) })
        let rest = try fixture.run(Self.eval("list.jsonl", queue: "few.db", "--json"))
        #expect(rest.errors.hasPrefix("20 of 168 answers stand from before"), "\(rest.errors)")
        let whole = try fixture.run(Self.eval("list.jsonl", queue: "whole.db", "--json"))
        #expect(try Self.table(rest.output) == Self.table(whole.output))
    }

    @Test func `a video that cannot be read fails its items, and the rest is answered`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        try fixture.write("not a video", "text.mp4")
        try fixture.write(
            """
            {"video": "text.mp4", "question": "What?", "expected": "x", "group": "bad"}
            {"video": "videos/generated_1.mp4", "question": "Which?", "choices": ["white", "red"], "expected": "A", "group": "good"}
            {"video": "gone.mp4", "question": "What?", "expected": "x", "group": "bad"}
            """, "mixed.jsonl")
        let ending = try fixture.run(
            [
                "eval", "mixed.jsonl", "--frames", "2", "--out", "table.md", "--plot", "plot.svg",
                "--plot-layers", "layers.svg",
            ] + Self.settings)
        #expect(ending.code == 3, "\(ending.errors)")
        #expect(ending.errors.contains("text.mp4") && ending.errors.contains("gone.mp4"))
        let rows = ending.output.split(separator: "\n").map(String.init)
        #expect(rows.count > 2)
        #expect(rows[0].hasPrefix("method") && rows[0].contains("failed"))
        let markdown = try String(
            contentsOf: fixture.folder.appending(path: "table.md"), encoding: .utf8)
        #expect(markdown.hasPrefix("# mixed.jsonl, 3 items, model model\n"))
        #expect(markdown.contains("| full | 2 | 1 | 2 |"))
        #expect(markdown.contains("| zipvl:tau=0.5 | 2 | 1 | 2 |"))
        #expect(markdown.contains("| bad | 0 |"))
        for (name, word) in [("plot.svg", "right answers, %"), ("layers.svg", "decoder layer")] {
            let drawing = try String(
                contentsOf: fixture.folder.appending(path: name), encoding: .utf8)
            #expect(drawing.hasPrefix("<svg ") && drawing.hasSuffix("</svg>\n"))
            #expect(drawing.contains(word) && drawing.contains("zipvl"))
            #expect(drawing.contains("2 frames, 1 question<"))
        }
        let notes = [ending.output, markdown].map {
            $0.contains("Run with: --model model --max-new-tokens 4 (")
        }
        #expect(notes == [true, true])
        #expect(ending.output.contains("\n[1] full\n[2] zipvl:tau=0.5\n"))
        // No intervals by group in the terminal, so that many methods fit.
        let good = try #require(rows.first { $0.hasPrefix("good") })
        #expect(good.split(separator: " ").count == 4, "\(good)")
        #expect(rows.filter { !$0.hasPrefix("right %") }.allSatisfy { $0.count <= 100 })
    }

    @Test(arguments: [
        ["eval"], ["eval", "list.jsonl", "--frames", "0"], ["eval", "list.jsonl", "--frames", "a"],
        ["eval", "list.jsonl", "--method", "fullest"], ["eval", "gone.jsonl"],
        ["eval", "list.jsonl", "--method", "full", "--tau", "0.5"],
        ["eval", "list.jsonl", "--baseline", "fastv"], ["eval", "list.jsonl", "--format", "csv"],
        ["eval", "list.jsonl", "--name", ""], ["eval", "list.jsonl", "--out", "none/t.md"],
        ["eval", "list.jsonl", "--plot", "p.png"], ["eval", "list.jsonl", "--plot", "none/p.svg"],
        ["eval", "list.jsonl", "--plot-layers", "p.txt"],
        ["minference-search", "--video", "v.mp4", "--out", "p.json", "--candidates", ""],
        ["minference-search", "--video", "v.mp4", "--out", "none/p.json"],
    ])
    func `a usage error exits with 2 and says what is wrong`(_ arguments: [String]) throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let ending = try fixture.run(arguments)
        #expect(ending.code == 2, "\(ending.errors)")
        #expect(!ending.errors.isEmpty && ending.output.isEmpty)
    }
}
