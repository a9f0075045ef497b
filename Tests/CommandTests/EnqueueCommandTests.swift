import Foundation
import Testing

@Suite struct EnqueueCommandTests {
    @Test func `an unknown key in a job file is told with file and line`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        try fixture.write("text", "videos/a.mp4")
        for (name, yaml, line, key) in [
            ("a.yaml", "version: 1\nname: x\ninput:\n  dirs: [videos]\n  diers: [q]\n", 5, "diers"),
            (
                "b.yaml",
                "version: 1\nname: x\nanalysis:\n  taus: 1\ninput: {dirs: [videos]}\nquestions: [q]\n",
                4, "taus"
            ),
        ] {
            try fixture.write(yaml, name)
            let ending = try fixture.run(["enqueue", "--job", name])
            #expect(ending.code == 2)
            #expect(ending.errors.contains("\(name):\(line): unknown key `\(key)`"))
        }
    }

    @Test func `broken YAML is told with file and line`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        try fixture.write("version: 1\nname: [x\n", "a.yaml")
        let ending = try fixture.run(["enqueue", "a.yaml"])
        #expect(ending.code == 2)
        #expect(ending.errors.contains("a.yaml:3: "))
    }

    @Test func `a directory without videos is an error that names it`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        try fixture.write("text", "empty/notes.txt")
        let ending = try fixture.run(["enqueue", "empty", "--question", "What?"])
        #expect(ending.code == 2)
        #expect(ending.errors.contains("empty: holds no video"))
    }

    @Test func `a flag that the method ignores is refused`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        try fixture.write("text", "a.mp4")
        let ending = try fixture.run(
            ["enqueue", "a.mp4", "--question", "q", "--method", "full", "--tau", "0.9"])
        #expect(ending.code == 2)
        #expect(ending.errors.contains("--tau has no effect with --method full"))
    }

    @Test func `a model that is not there is a configuration error that names it`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        try fixture.write("text", "a.mp4")
        let ending = try fixture.run(
            ["enqueue", "a.mp4", "--question", "q", "--model", "no-model"])
        #expect(ending.code == 78)
        #expect(ending.errors.contains("no-model: no such model directory"))
    }

    @Test func `files that are no videos become failed rows, each its own, and the rest is seen`()
        throws
    {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        try fixture.write("", "in/zero.mp4")
        try fixture.write("", "in/zero too.mp4")
        try fixture.write("not a video", "in/text.mp4")
        let enqueued = try fixture.run(["enqueue", "in", "--question", "What?"])
        #expect(enqueued.code == 0, "\(enqueued.errors)")
        #expect(enqueued.output.contains("0 queued, 0 reused, 3 rejected"))

        let rows = try fixture.rows(["list"])
        #expect(rows.count == 3)
        #expect(rows.allSatisfy { $0["state"] as? String == "failed" })
        #expect(rows.allSatisfy { $0["error_class"] as? String == "input" })
        #expect(
            Set(rows.compactMap { $0["error_code"] as? String }) == ["empty", "not_a_video"])

        let again = try fixture.run(["enqueue", "in", "--question", "What?", "--json"])
        #expect(again.output.split(separator: "\n").count == 3)
        #expect(again.output.contains("\"result\":\"reused\""))
        #expect(!again.output.contains("\"result\":\"rejected\""))
    }

    @Test func `a dry run writes nothing`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        try fixture.write("not a video", "a.mp4")
        let ending = try fixture.run(["enqueue", "a.mp4", "--question", "q", "--dry-run"])
        #expect(ending.code == 0)
        #expect(ending.output.contains("reject"))
        #expect(try fixture.run(["list", "--json"]).output.isEmpty)
    }

    @Test func `standard input is a list of paths or of questions`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        try fixture.write("not a video", "a.mp4")
        let list = "a.mp4\n{\"video\":\"a.mp4\",\"question\":\"Own?\",\"custom_id\":\"c7\"}\n"
        let ending = try fixture.run(["enqueue", "-", "--question", "All?"], input: list)
        #expect(ending.code == 0, "\(ending.errors)")
        let listed = try fixture.run(["list", "--custom-id", "c7"]).output
        #expect(listed.contains("Own?"))
        #expect(!listed.contains("All?"))
    }
}
