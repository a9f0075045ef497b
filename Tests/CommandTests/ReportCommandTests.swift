import Foundation
import TestSupport
import Testing

#if canImport(FoundationXML)
    import FoundationXML
#endif

/// The whole way with the real engine: answers and failures become a page, and its command works.
@Suite struct ReportCommandTests {
    private static let video = Fixtures.packageRoot + "/jobs/demo/videos/generated_1.mp4"
    private static let settings = ["--frames", "4", "--max-new-tokens", "4", "--model", "model"]

    /// A queue with answers of two methods and a file that is no video.
    private static func fixture() throws -> CommandFixture {
        let fixture = try CommandFixture()
        let folder = fixture.folder.path
        try FileManager.default.copyItem(
            atPath: Fixtures.path("mha-single-file"), toPath: folder + "/model")
        try FileManager.default.createDirectory(
            atPath: folder + "/in", withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: video, toPath: folder + "/in/good.mp4")
        try fixture.write("no video", "in/bad.mp4")
        for (batch, method) in [("it's <b>", "zipvl"), ("dense", "full")] {
            let ending = try fixture.run(
                [
                    "enqueue", "in", "--question", "<i>One?</i>", "--question", "Two?", "--batch",
                    batch,
                ]
                    + ["--method", method] + settings)
            try #require(ending.code == 0, "\(ending.errors)")
        }
        let worked = try fixture.run(["work", "--drain", "--device", "cpu"])
        try #require(worked.output.contains("4 answered"), "\(worked.output)\(worked.errors)")
        return fixture
    }

    @Test func `a report stands alone, and its retry command retries`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let ending = try fixture.run([
            "report", "--batch", "it's <b>", "--baseline", "dense", "--out", "r.html",
        ])
        #expect(ending.code == 0, "\(ending.errors)")
        #expect(ending.output.contains("2 answers, 2 failures"))
        let data = try Data(contentsOf: fixture.folder.appending(path: "r.html"))
        #expect(XMLParser(data: data).parse())
        let page = String(decoding: data, as: UTF8.self)
        #expect(page.contains("&lt;i&gt;One?&lt;/i&gt;") && !page.contains("<i>One"))
        #expect(page.ranges(of: "url(data:image/jpeg;base64,").count == 1)
        #expect(page.contains("2 pairs"))
        let start = try #require(page.firstRange(of: "<pre>")).upperBound
        let end = try #require(page[start...].firstRange(of: "</pre>")).lowerBound
        let words = page[start..<end].split(separator: " ").map(String.init)
        let place = try #require(words.firstIndex(of: "retry"))
        #expect(words.count == place + 3, "\(words)")
        let retried = try fixture.run(["retry"] + words[(place + 1)...])
        #expect(retried.output.contains("2 jobs queued again"), "\(retried.output)")
    }

    @Test func `pictures can be left out, and batches that are not there are named`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let row = try #require(
            try fixture.rows(["report", "--out", "all.html", "--no-thumbnails"]).first)
        #expect(row["answers"] as? Int == 4 && row["thumbnails"] as? Int == 0)
        let page = try String(
            contentsOf: fixture.folder.appending(path: "all.html"), encoding: .utf8)
        #expect(!page.contains("data:image"))
        let missing = try fixture.run(["report", "--out", "x.html", "--batch", "none"])
        #expect(missing.code == 2 && missing.errors.contains("dense"), "\(missing.errors)")
        for arguments in [
            ["--out", "x.txt"], ["--out", "no/x.html"], [],
            ["--out", "x.html", "--baseline", "dense"],
            ["--out", "x.html", "--thumbnails", "3", "--no-thumbnails"],
        ] {
            #expect(try fixture.run(["report"] + arguments).code == 2, "\(arguments)")
        }
        #expect(!FileManager.default.fileExists(atPath: fixture.folder.path + "/x.html"))
    }

    @Test func `status tells of workers and pauses, and watches until all is done`() throws {
        let fixture = try Self.fixture()
        defer { fixture.remove() }
        let rows = try fixture.rows(["status"])
        #expect(rows.compactMap { $0["batch"] as? String } == ["it's <b>", "dense"])
        #expect(rows.contains { $0["queue"] as? String == "default" })
        #expect(try fixture.rows(["status", "--batch", "dense"]).count == 1)
        let done = try fixture.run(["status", "--watch", "--until-done"])
        #expect(done.code == 0)
        #expect(
            done.output.contains("8 of 8 done, 4 failed, 0 running, 0 waiting"), "\(done.output)")
        let watching = try fixture.start(["status", "--watch", "0.1"])
        Thread.sleep(forTimeInterval: 1.5)
        watching.signal(SIGINT)
        let ended = try watching.end()
        #expect(ended.code == 0)
        #expect(ended.output.split(separator: "\n").count > 2, "\(ended.output)")
        for arguments in [["--until-done"], ["--watch", "0"], ["--watch", "-1"]] {
            #expect(try fixture.run(["status"] + arguments).code == 2, "\(arguments)")
        }
    }
}
