import Foundation
import TestSupport
import Testing

/// Backups, pruning, and queues that go elsewhere.
@Suite struct CareVerbTests {
    private static let video = Fixtures.packageRoot + "/jobs/demo/videos/generated_1.mp4"
    private static let settings = ["--frames", "4", "--max-new-tokens", "4", "--model", "model"]

    /// Three answered jobs, one failed, one waiting.
    private static func fixture() throws -> CommandFixture {
        let fixture = try CommandFixture()
        try FileManager.default.copyItem(
            atPath: Fixtures.path("mha-single-file"), toPath: fixture.folder.path + "/model")
        try FileManager.default.copyItem(atPath: video, toPath: fixture.folder.path + "/good.mp4")
        try fixture.write("no video", "bad.mp4")
        let questions = ["One?", "Two's \u{1B}?", "Three?"].flatMap { ["--question", $0] }
        try fixture.run(["enqueue", "good.mp4", "--batch", "b"] + questions + settings)
        let worked = try fixture.run(["work", "--drain", "--device", "cpu", "--min-free", "0"])
        #expect(worked.code == 0, "\(worked.errors)")
        try fixture.run(["enqueue", "bad.mp4", "--question", "q", "--batch", "f"] + settings)
        try fixture.run(
            ["enqueue", "good.mp4", "--question", "Later?", "--at", "2099-01-01T00:00:00Z"]
                + settings)
        return fixture
    }

    private static func answers(_ fixture: CommandFixture, _ queue: String) throws -> [String] {
        try fixture.rows(["--queue", queue, "results"]).map {
            "\($0["job_id"] ?? 0) \($0["question"] ?? "") \($0["answer"] ?? "")"
        }
    }

    @Test func `a backup is a queue of its own, and is never written over`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let ending = try fixture.run(["backup", "copy.db"])
        #expect(ending.code == 0, "\(ending.errors)")
        #expect(try Self.answers(fixture, "copy.db") == Self.answers(fixture, "zipvl.db"))
        #expect(try fixture.rows(["--queue", "copy.db", "list"]).count == 5)
        #expect(try fixture.run(["backup", "copy.db"]).code == 2)
        #expect(try fixture.run(["backup", "no/such/folder/copy.db"]).code == 2)
    }

    @Test func `prune deletes what ended long ago and nothing that may still run`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        #expect(try fixture.rows(["prune", "--keep", "1d"]).first?["jobs"] as? Int == 0)
        let dry = try fixture.rows(["prune", "--keep", "1ms", "--dry-run"])
        #expect(dry.first?["jobs"] as? Int == 4)
        #expect(dry.first?["answers"] as? Int == 3)
        #expect(try fixture.rows(["list"]).count == 5)
        let failed = try fixture.rows(["prune", "--keep", "1ms", "--states", "failed"])
        #expect(failed.first?["jobs"] as? Int == 1)
        let other = try fixture.rows(["prune", "--keep", "1ms", "--batch", "none"])
        #expect(other.first?["jobs"] as? Int == 0)
        let rest = try fixture.rows(["prune", "--keep", "1ms", "--backup", "before.db"])
        #expect(rest.first?["answers"] as? Int == 3)
        let left = try fixture.rows(["list"])
        #expect(left.compactMap { $0["question"] as? String } == ["Later?"])
        #expect(try Self.answers(fixture, "before.db").count == 3)
        #expect(try fixture.run(["doctor", "--device", "cpu"]).code == 0)
    }

    @Test func `a queue moves with everything in it, and the old one stays as it is`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let dry = try fixture.rows(["move", "--from", "zipvl.db", "--to", "new.db", "--dry-run"])
        #expect(dry.first?["moved"] as? Bool == false)
        #expect(!FileManager.default.fileExists(atPath: fixture.folder.path + "/new.db"))
        let moved = try fixture.rows(["move", "--from", "zipvl.db", "--to", "new.db"])
        #expect(moved.first?["moved"] as? Bool == true)
        #expect(
            moved.first?["answers_sha256"] as? String == dry.first?["answers_sha256"] as? String)
        let rows = try #require(moved.first?["rows"] as? [String: Int])
        #expect(rows["jobs"] == 5 && rows["answers"] == 3)
        #expect(try Self.answers(fixture, "new.db") == Self.answers(fixture, "zipvl.db"))
        #expect(try fixture.rows(["list"]).count == 5)
        // There are jobs now.
        let again = try fixture.run(["move", "--from", "zipvl.db", "--to", "new.db"])
        #expect(again.code == 2, "\(again.errors)")
        #expect(try fixture.run(["move", "--from", "none.db", "--to", "x.db"]).code == 69)
        // New jobs go on behind the old ones.
        try fixture.run(
            ["--queue", "new.db", "enqueue", "good.mp4", "--question", "New?"] + Self.settings)
        let ids = try fixture.rows(["--queue", "new.db", "list"]).compactMap {
            $0["job_id"] as? Int
        }
        #expect(ids == [1, 2, 3, 4, 5, 6])
    }

    @Test func `shards that were answered apart come together`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        try fixture.run(
            [
                "--queue", "two.db", "enqueue", "good.mp4", "--question", "One?", "--question",
                "Other?",
            ]
                + Self.settings)
        let worked = try fixture.run(
            ["--queue", "two.db", "work", "--drain", "--device", "cpu", "--min-free", "0"])
        #expect(worked.code == 0, "\(worked.errors)")
        let merged = try fixture.rows(["--queue", "all.db", "merge", "zipvl.db", "two.db"])
        #expect(merged.compactMap { $0["inserted"] as? Int } == [5, 1])
        #expect(merged.compactMap { $0["reused"] as? Int } == [0, 1])
        #expect(merged.compactMap { $0["answers"] as? Int } == [3, 1])
        func texts(_ queue: String) throws -> Set<String> {
            Set(
                try fixture.rows(["--queue", queue, "results"]).map {
                    "\($0["question"] ?? "") \($0["answer"] ?? "")"
                })
        }
        #expect(try texts("all.db") == texts("zipvl.db").union(texts("two.db")))
        let again = try fixture.rows(["--queue", "all.db", "merge", "two.db", "zipvl.db"])
        #expect(again.compactMap { $0["inserted"] as? Int } == [0, 0])
        #expect(again.compactMap { $0["answers"] as? Int } == [0, 0])
        #expect(try fixture.rows(["--queue", "all.db", "list"]).count == 6)
    }
}
