import Foundation
import Testing

@testable import Jobs

@Suite struct JobFileTests {
    private static let good = """
        version: 1
        name: store
        priority: 10
        analysis:
          frames: 32
          probes: [64, 32]
          model: models/longva
        input:
          dirs: [videos, "/data/{yesterday}/{env:CAM}"]
          include: ["*.mp4"]
          exclude: ["*_tmp*"]
          manifest: list.jsonl
          allow_empty: true
        questions:
          - What happens?
          - {id: spill, text: Is there a spill?, choices: [yes, no], expected: no}
        limits: {timeout: 20m, max_attempts: 2, max_crashes: 5}
        """

    private func file(_ yaml: String) throws(JobFileError) -> JobFile {
        try JobFile(
            yaml: yaml, path: "/jobs/store.yaml", environment: ["CAM": "north"],
            now: Calendar.current.date(from: DateComponents(year: 2026, month: 3, day: 1, hour: 9))
                ?? Date())
    }

    @Test func `every key is read, and paths are relative to the job file`() throws {
        let file = try file(Self.good)
        #expect(file.name == "store")
        #expect(file.priority == 10)
        #expect(
            file.analysis == [
                .init(key: "frames", value: "32", line: 5),
                .init(key: "probes", value: "64,32", line: 6),
                .init(key: "model", value: "/jobs/models/longva", line: 7),
            ])
        #expect(file.input.directories == ["/jobs/videos", "/data/2026-02-28/north"])
        #expect(file.input.include == ["*.mp4"])
        #expect(file.input.exclude == ["*_tmp*"])
        #expect(file.input.manifests == ["/jobs/list.jsonl"])
        #expect(file.input.allowsEmpty)
        #expect(file.limits.timeout == .seconds(1200))
        #expect(file.limits.maxAttempts == 2)
        #expect(file.limits.maxCrashes == 5)
    }

    @Test func `a list of methods is kept with its lines, beside what they share`() throws {
        let file = try file(
            """
            version: 1
            name: compare
            analysis:
              frames: 8
              methods:
                - full
                - zipvl:tau=0.96,rows=keys
              minference_config: heads.json
            """)
        #expect(
            file.methods == [
                .init(key: "methods", value: "full", line: 6),
                .init(key: "methods", value: "zipvl:tau=0.96,rows=keys", line: 7),
            ])
        #expect(file.analysis.map(\.key) == ["frames", "minference_config"])
        #expect(file.analysis.last?.value == "/jobs/heads.json")
    }

    @Test(arguments: [
        ("methods: []", 2, "is empty"), ("methods: full", 2, "expected a list"),
        ("methods: [{method: full}]", 2, "expected text"),
        ("{method: full, methods: [full]}", 2, "exclude each other"),
    ])
    func `a list of methods that says nothing sure is refused`(
        _ text: String, _ line: Int, _ what: String
    ) throws {
        let block = text.hasPrefix("{") ? text : "{\(text)}"
        let error = #expect(throws: JobFileError.self) {
            try file("version: 1\nanalysis: \(block)\nname: x\n")
        }
        #expect(error?.line == line)
        #expect(error?.message.contains(what) == true, "\(error?.message ?? "")")
    }

    @Test func `yes and no stay the words that were written`() throws {
        let question = try #require(try file(Self.good).questions.last)
        #expect(question.id == "spill")
        #expect(question.choices == ["yes", "no"])
        #expect(question.expected == "no")
    }

    @Test(arguments: [
        ("  frames: 32", "  frames: {a: 1}", 5, "`analysis.frames`"),
        ("priority: 10", "priorty: 10", 3, "unknown key `priorty`"),
        ("priority: 10", "priority: high", 3, "`priority`: expected a whole number, found `high`"),
        ("priority: 10", "priority: 5000", 3, "-1000 to 1000"),
        ("priority: 10", "name: again", 2, "name"),
        ("  allow_empty: true", "  allow_empty: perhaps", 13, "true or false"),
        ("  include: [\"*.mp4\"]", "  inclde: []", 10, "unknown key `inclde` in `input`"),
        ("  include: [\"*.mp4\"]", "  include: \"*.mp4\"", 10, "expected a list"),
        ("text: Is there a spill?", "txt: Is there a spill?", 16, "unknown key `txt`"),
        ("choices: [yes, no]", "choices: [yes]", 16, "1 choices"),
        ("timeout: 20m", "timeout: 20", 17, "90s, 20m or 2h"),
        ("version: 1", "version: 2", 1, "version 2, expected 1"),
        ("{env:CAM}", "{env:OTHER}", 9, "`{env:OTHER}`"),
        ("name: store", "name:", 2, "`name`: expected text, found nothing"),
        ("  - What happens?", "  - [What happens?", 16, "expected"),
    ])
    func `what is wrong is told with file and line`(
        _ old: String, _ new: String, _ line: Int, _ what: String
    ) throws {
        let yaml = Self.good.replacing(old, with: new, maxReplacements: 1)
        try #require(yaml != Self.good)
        let error = #expect(throws: JobFileError.self) { try file(yaml) }
        #expect(error?.line == line, "\(error.map { "\($0)" } ?? "")")
        #expect(error?.description.hasPrefix("/jobs/store.yaml:\(line): ") == true)
        #expect(error?.message.contains(what) == true, "\(error?.message ?? "")")
    }

    @Test(arguments: [
        "", "version: 1\n", "name: x\n", "- a\n", "version: 1\nname: x\ninput: {dirs: [a]}",
    ])
    func `a file without what is needed is refused`(_ yaml: String) {
        #expect(throws: JobFileError.self) { try file(yaml) }
    }

    @Test func `a file that is not there is named`() {
        let error = #expect(throws: JobFileError.self) {
            try JobFile(contentsOf: "/no/such.yaml", environment: [:])
        }
        #expect(error?.description == "/no/such.yaml: cannot be read")
    }

    @Test(arguments: [
        ("90s", Duration.seconds(90)), ("20m", .seconds(1200)), ("2h", .seconds(7200)),
        ("1.5h", .seconds(5400)), ("250ms", .milliseconds(250)),
    ])
    func `times have a unit`(_ text: String, _ duration: Duration) {
        #expect(DurationText.parse(text) == duration)
    }

    @Test(arguments: ["", "20", "m", "-1s", "0s", "1 d", "1e30h", "nans", "infs"])
    func `other texts are no times`(_ text: String) {
        #expect(DurationText.parse(text) == nil)
    }

    @Test func `the job files that come with the program are read`() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let folder = root.appending(path: "jobs")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            .filter { $0.hasSuffix(".yaml") }
        #expect(names.contains("demo.yaml"))
        #expect(names.contains("nightly.yaml"))
        #expect(names.contains("compare-methods.yaml"))
        for name in names {
            let file = try JobFile(
                contentsOf: folder.path + "/" + name,
                environment: ["CAMERAS": "/data/cams", "VIDEOS": "/v"])
            #expect(!file.name.isEmpty)
        }
    }
}
