import Foundation
import Jobs
import Testing

@testable import Runner

@Suite struct ManifestTests {
    private func items(
        _ text: String, questions: [JobFile.Question] = []
    ) throws -> [EnqueueItem] {
        let manifest = Manifest(
            name: "list.jsonl", folder: "/data", questions: questions, maxNewTokens: 64)
        let path = FileManager.default.temporaryDirectory.path + "/manifest-\(UUID()).jsonl"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let lines = try InputLines(path)
        var items: [EnqueueItem] = []
        while let line = try lines.next() {
            items += try manifest.items(try #require(line.text), number: line.number)
        }
        return items
    }

    @Test func `a line is one question about one video`() throws {
        let line = """
            {"custom_id":"a1","video":"sub/p.mp4","question":"Which?","choices":["x","y"],\
            "expected":"y","priority":5}
            """
        #expect(
            try items(line + "\r\n\n") == [
                EnqueueItem(
                    path: "/data/sub/p.mp4", question: "Which?", choices: ["x", "y"],
                    expected: "y", customID: "a1", priority: 5)
            ])
    }

    @Test func `a path, or a line without a question, is asked the batch's questions`() throws {
        let questions = [JobFile.Question(id: "q1", text: "One?"), .init(text: "Two?")]
        let found = try items("/abs/a.mp4\n{\"video\":\"b.mp4\"}\n", questions: questions)
        #expect(
            found.map(\.path) == ["/abs/a.mp4", "/abs/a.mp4", "/data/b.mp4", "/data/b.mp4"])
        #expect(found.map(\.question) == ["One?", "Two?", "One?", "Two?"])
        #expect(found.map(\.customID) == ["q1", nil, "q1", nil])
    }

    @Test(arguments: [
        ("{\"video\":\"a\",\"question\":\"q\",\"choice\":[]}", "unknown key `choice`"),
        ("{\"question\":\"q\"}", "`video` is missing"),
        ("{\"video\":\"a\"}", "`question` is missing"),
        ("{\"video\":3,\"question\":\"q\"}", "`video`: expected text"),
        ("{\"video\":\"a\",\"question\":\"q\",\"choices\":[\"x\"]}", "`choices`"),
        ("{\"video\":\"a\",\"question\":\"q\",\"priority\":2000}", "`priority`"),
        ("{\"video\":", "is not JSON"), ("a.mp4", "no question"),
    ])
    func `a wrong line is an error with file and line`(_ line: String, _ what: String) {
        let good = "{\"video\":\"a\",\"question\":\"q\"}\n"
        let error = #expect(throws: JobFileError.self) { try items(good + "\n" + line) }
        #expect(error?.line == 3)
        #expect(error?.description.hasPrefix("list.jsonl:3: ") == true)
        #expect(error?.message.contains(what) == true, "\(error?.message ?? "")")
    }

    private static func openAI(_ content: String, _ more: String = "") -> String {
        "{\"custom_id\":\"r1\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{"
            + "\"model\":\"any\",\(more)\"messages\":[{\"role\":\"user\",\"content\":\(content)}]}}"
    }
    private static let video =
        "{\"type\":\"video_url\",\"video_url\":{\"url\":\"file:///data/a%20b.mp4\"}}"
    private static let text = "{\"type\":\"text\",\"text\":\"What?\"}"

    @Test func `a line of an OpenAI batch is a question, too`() throws {
        let line = Self.openAI(
            "[\(Self.video),\(Self.text)]", "\"max_tokens\":64,\"temperature\":0,")
        #expect(
            try items(line) == [
                EnqueueItem(path: "/data/a b.mp4", question: "What?", customID: "r1")
            ])
    }

    @Test(arguments: [
        (openAI("\"What?\""), "expected a list"),
        (openAI("[\(text)]"), "no video_url"), (openAI("[\(video)]"), "no text"),
        (openAI("[\(video),\(video),\(text)]"), "more than one video"),
        (openAI("[\(video),\(text)]", "\"max_tokens\":100,"), "--max-new-tokens 100"),
        (openAI("[\(video),\(text)]", "\"temperature\":0.7,"), "temperature"),
        (openAI("[\(video),\(text)]", "\"tools\":[],"), "unknown key `body.tools`"),
        (
            openAI("[\(text),{\"type\":\"video_url\",\"video_url\":\"https://x/a.mp4\"}]"),
            "expected a path or file:///PATH"
        ),
        (openAI("[\(text),{\"type\":\"image_url\"}]"), "`image_url`"),
    ])
    func `what an OpenAI line asks for and cannot be had is an error`(
        _ line: String, _ what: String
    ) {
        let error = #expect(throws: JobFileError.self) { try items(line) }
        #expect(error?.line == 1)
        #expect(error?.message.contains(what) == true, "\(error?.message ?? "")")
    }

    @Test func `any question that a queue can hold is taken`() throws {
        let long = String(repeating: "a", count: 32769)
        for (question, what) in [
            (String(long.dropLast()), nil), (long, "32769"), ("a\u{0}b", "NUL"),
            ("'; DROP TABLE jobs; --", nil), ("%n%s\u{1b}[2J", nil),
        ] as [(String, String?)] {
            let line = String(
                decoding: try JSONSerialization.data(
                    withJSONObject: ["video": "a.mp4", "question": question]), as: UTF8.self)
            guard let what else {
                let found = try items(line).map(\.question) == [question]
                #expect(found, "\(question.prefix(30))")
                continue
            }
            let error = #expect(throws: JobFileError.self) { try items(line) }
            #expect(error?.message.contains(what) == true)
        }
    }

    @Test func `lines that are too long or no UTF-8 are told by number, however they are cut`()
        throws
    {
        let path = FileManager.default.temporaryDirectory.path + "/lines-\(UUID())"
        defer { try? FileManager.default.removeItem(atPath: path) }
        var data = Data([0xEF, 0xBB, 0xBF]) + Data("first\r\n\n".utf8)
        data += Data([0x63, 0xE9, 0x0A]) + Data(repeating: 0x61, count: 300_000)
        data += Data("\n last".utf8)
        try data.write(to: URL(fileURLWithPath: path))
        let lines = try InputLines(path, limit: 100_000)
        var found: [InputLines.Line] = []
        while let line = try lines.next() { found.append(line) }
        #expect(found.map(\.number) == [1, 3, 4, 5])
        #expect(found.map(\.text) == ["first", nil, nil, "last"])
        #expect(found[1].problem == #"is not UTF-8: c\xe9"#)
        #expect(found[2].problem.contains("300000 bytes"))
    }
}
