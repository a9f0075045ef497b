import Foundation
import QueueTestSupport
import TestSupport
import Testing

/// The real binary with its queue on a server.
@Suite struct PostgresCommandTests {
    private static let video = Fixtures.packageRoot + "/jobs/demo/videos/generated_1.mp4"
    private static let isAvailable: Bool = {
        if !PostgresServer.isAvailable {
            print("The commands are not tested on PostgreSQL: \(PostgresServer.reason)")
        }
        return PostgresServer.isAvailable
    }()

    private static func answers(_ fixture: CommandFixture, _ queue: String) throws -> [String] {
        try fixture.rows(["--queue", queue, "results"]).map {
            "\($0["job_id"] ?? 0) \($0["custom_id"] ?? "") \($0["question"] ?? "") "
                + "\($0["answer"] ?? "") \($0["attn_flops_used"] ?? "")"
        }
    }

    @Test(.enabled(if: isAvailable))
    func `a queue is filled, worked, read, reported and moved to a file and back`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        try FileManager.default.copyItem(
            atPath: Fixtures.path("mha-single-file"), toPath: fixture.folder.path + "/model")
        try FileManager.default.copyItem(
            atPath: Self.video, toPath: fixture.folder.path + "/good.mp4")
        try fixture.write("no video", "bad.mp4")
        let database = try PostgresDatabase()
        let url = database.url
        let settings = ["--frames", "4", "--max-new-tokens", "4", "--model", "model"]
        func run(_ arguments: [String]) throws -> CommandFixture.Ending {
            try fixture.run(["--queue", url] + arguments)
        }

        let enqueued = try run(
            ["enqueue", "good.mp4", "bad.mp4", "--question", "One?", "--question", "Two %n's?"]
                + ["--batch", "night"] + settings)
        #expect(enqueued.code == 0, "\(enqueued.errors)")
        let worked = try run(["work", "--drain", "--device", "cpu", "--min-free", "0"])
        #expect(worked.code == 0, "\(worked.errors)")
        let answers = try Self.answers(fixture, url)
        #expect(answers.count == 2)

        let failed = try fixture.rows([
            "--queue", url, "list", "--state", "failed,cancelled", "--error-class", "crash,input",
        ])
        #expect(failed.count == 2)
        #expect(try fixture.rows(["--queue", url, "list", "--error-class", "crash"]).isEmpty)
        #expect(try fixture.rows(["--queue", url, "list", "--since", "1h"]).count == 4)
        #expect(
            try fixture.rows(["--queue", url, "list", "--since", "2099-01-01T00:00:00Z"]).isEmpty)
        let status = try run(["status"])
        #expect(status.code == 0 && status.output.contains("night"), "\(status.errors)")
        let report = try run(["report", "--out", "night.html", "--batch", "night"])
        #expect(report.code == 0, "\(report.errors)")
        let html = try String(
            contentsOf: fixture.folder.appending(path: "night.html"), encoding: .utf8)
        #expect(html.contains("Two %n&#39;s?") || html.contains("Two %n's?"))
        #expect(html.contains("data:image/jpeg;base64,"), "the video's picture")
        #expect(try run(["doctor", "--device", "cpu"]).code == 0)

        let away = try fixture.rows(["move", "--from", url, "--to", "file.db"])
        #expect(away.first?["moved"] as? Bool == true)
        #expect(try Self.answers(fixture, "file.db") == answers)
        let other = try PostgresDatabase()
        let back = try fixture.rows(["move", "--from", "file.db", "--to", other.url])
        #expect(
            back.first?["answers_sha256"] as? String == away.first?["answers_sha256"] as? String)
        #expect(try Self.answers(fixture, other.url) == answers)
        // What is not empty is nothing to move to.
        #expect(try fixture.run(["move", "--from", "file.db", "--to", url]).code == 2)
    }

    @Test(.enabled(if: isAvailable))
    func `a server that goes away ends a verb with 69, and one with other tables is told`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        let database = try PostgresDatabase()
        #expect(try fixture.run(["--queue", database.url, "init"]).code == 0)
        try database.execute("UPDATE meta SET version = version + 1")
        let newer = try fixture.run(["--queue", database.url, "status"])
        #expect(newer.code == 78, "\(newer.errors)")
        let none = "postgresql://night@127.0.0.1:1/queue?connect_timeout=2"
        #expect(try fixture.run(["--queue", none, "status"]).code == 69)
    }
}
