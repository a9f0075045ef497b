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

    @Test(arguments: [
        (["--method", "full", "--tau", "0.9"], "--tau has no effect with --method full"),
        (
            ["--method", "hired", "--fastv-layer", "2"],
            "--fastv-layer has no effect with --method hired"
        ),
        (["--ratio", "0.5"], "--ratio has no effect with --method zipvl"),
        (["--method", "fastv", "--kv-guard", "1"], "--kv-guard has no effect with --kv full"),
        (["--premerge-rate", "0.5"], "--premerge-rate has no effect with --premerge none"),
        (["--method", "fastv", "--kv", "mixed"], "kv mixed needs"),
        (["--rows", "keys", "--ffn", "kept"], "rows keys and ffn kept exclude each other"),
        (["--norm", "softmax"], "--norm: expected one of exact, zipcache, found `softmax`"),
        (["--probes", "64"], "--probes: expected two whole numbers"),
        (["--method", "minference", "--minference-config", "no.json"], "no.json"),
    ])
    func `analysis flags that cannot stand are refused by name`(
        _ flags: [String], _ message: String
    ) throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        try fixture.write("text", "a.mp4")
        for verb in [["enqueue", "a.mp4"], ["ask", "a.mp4"]] {
            let ending = try fixture.run(verb + ["--question", "q"] + flags)
            #expect(ending.code == 2)
            #expect(ending.errors.contains(message), "\(ending.errors)")
        }
    }

    @Test func `a job file may list methods, and a flag names one instead`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        try fixture.write("not a video", "videos/a.mp4")
        try fixture.write(
            """
            version: 1
            name: x
            analysis: {frames: 4, methods: ["full", "zipvl:rows=keys", "fixed:ratio=0.5"]}
            input: {dirs: [videos]}
            questions: [q]
            """, "a.yaml")
        let all = try fixture.run(["enqueue", "a.yaml"])
        #expect(all.output.contains("x: 0 queued, 0 reused, 3 rejected"), "\(all.errors)")
        let again = try fixture.run(["enqueue", "a.yaml", "--method", "full"])
        #expect(again.output.contains("0 queued, 1 reused"), "\(again.errors)")
        let wrong = try fixture.run(["enqueue", "a.yaml", "--ratio", "0.5"])
        #expect(wrong.code == 2)
        #expect(wrong.errors.contains("a.yaml:3: --ratio has no effect with --method full"))
    }

    @Test func `a method's file in a job file is found beside the job file`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        try fixture.write("not a video", "jobs/videos/a.mp4")
        try fixture.write(
            "[{\"0\": [\"vertical_and_slash\", 30, 800, 0.9]}]", "jobs/the heads.json")
        try fixture.write(
            """
            version: 1
            name: x
            analysis: {methods: ["full", "minference:minference-config=the heads.json"]}
            input: {dirs: [videos]}
            questions: [q]
            """, "jobs/a.yaml")
        let ending = try fixture.run(["enqueue", "jobs/a.yaml"])
        #expect(ending.output.contains("x: 0 queued, 0 reused, 2 rejected"), "\(ending.errors)")
    }

    @Test func `patterns are stored with the job, not by the name of their file`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        try fixture.write("not a video", "videos/a.mp4")
        let arguments = [
            "enqueue", "videos", "--question", "q", "--method", "minference",
            "--minference-config", "heads.json",
        ]
        func enqueue(_ size: Int) throws -> String {
            try fixture.write(
                "[{\"0\": [\"vertical_and_slash\", \(size), 800, 0.9]}]", "heads.json")
            return try fixture.run(arguments).output
        }
        #expect(try enqueue(30).contains("0 reused, 1 rejected"))
        #expect(try enqueue(30).contains("1 reused"))
        #expect(try enqueue(31).contains("0 reused, 1 rejected"))
        let id = try #require(try fixture.rows(["list"]).first?["job_id"] as? Int)
        let shown = try fixture.run(["show", "\(id)"]).output
        #expect(
            shown.contains("\"minference_config\":[{\"0\":[\"vertical_and_slash\",3"), "\(shown)")
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
