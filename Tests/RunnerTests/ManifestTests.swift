import Foundation
import Jobs
import Testing

@testable import Runner

@Suite struct ManifestTests {
    private func items(
        _ text: String, questions: [JobFile.Question] = []
    ) throws -> [EnqueueItem] {
        try Manifest(name: "list.jsonl", folder: "/data", questions: questions)
            .items(in: Data(text.utf8))
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
}
