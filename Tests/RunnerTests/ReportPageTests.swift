import Foundation
import GRDB
import Jobs
import Testing

@testable import Runner

@Suite struct ReportPageTests {
    private static let elements: Set<String> = [
        "html", "head", "meta", "title", "style", "body", "main", "script", "header", "h1", "h2",
        "h3",
        "span", "p", "b", "i", "nav", "a", "section", "div", "details", "summary", "table", "thead",
        "tbody", "tr", "th", "td", "pre", "code", "button", "br", "sub", "input", "select",
        "option",
        "svg", "path", "rect", "text", "tspan", "title", "footer",
    ]

    @Test func `hostile texts stay texts wherever they stand`() async throws {
        let fixture = try await ReportFixture()
        defer { fixture.remove() }
        let content = try await fixture.content(baseline: "baseline")
        let page = ReportPage.text(content)
        let parsed = try ParsedPage(page)
        #expect(Set(parsed.elements.map(\.name)).subtracting(Self.elements).isEmpty)
        #expect(parsed.names("script") == 1)
        #expect(parsed.names("style") == 1)
        for (name, attributes) in parsed.elements {
            #expect(!attributes.keys.contains { $0.hasPrefix("on") }, "\(name) \(attributes)")
            #expect(attributes["href"]?.hasPrefix("#") ?? true)
            #expect(attributes["src"] == nil)
        }
        // Each text is there, as people see it, and no character that they would not.
        for text in Hostile.texts {
            #expect(parsed.text.contains(HTML.visible(String(text.prefix(200)))), "\(text)")
        }
        let hidden = page.unicodeScalars.filter { scalar in
            scalar != "\n" && scalar != "\t" && HTML.visible(String(scalar)) != String(scalar)
        }
        #expect(hidden.isEmpty)
    }

    @Test func `nothing is fetched, and the policy names the one script`() async throws {
        let fixture = try await ReportFixture()
        defer { fixture.remove() }
        let page = ReportPage.text(try await fixture.content())
        #expect(page.contains("default-src &#39;none&#39;"))
        #expect(!page.contains("@import"))
        let style = try #require(page.firstRange(of: "<style>")).upperBound
        let end = try #require(page.firstRange(of: "</style>")).lowerBound
        #expect(!page[style..<end].contains("url(http"))
        let parsed = try ParsedPage(page)
        for place in ["link", "img", "iframe", "object", "embed", "form", "base"] {
            #expect(parsed.names(place) == 0)
        }
    }

    @Test func `numbers are those of the database`() async throws {
        let fixture = try await ReportFixture()
        defer { fixture.remove() }
        let content = try await fixture.content()
        let summary = ReportSummary(statuses: content.statuses, answers: content.answers)
        let file = try DatabaseQueue(path: fixture.queue.queue.path)
        let found = try file.read { db in
            try Row.fetchOne(
                db,
                sql: """
                    SELECT count(*) AS answers, sum(correct) AS correct, count(correct) AS judged,
                        100 * (1 - sum(attn_flops_used) / sum(attn_flops_dense)) AS attn,
                        100 * (1 - sum(llm_flops_used) / sum(llm_flops_dense)) AS llm,
                        100 * (1 - 1.0 * sum(kv_cache_bytes_used) / sum(kv_cache_bytes_dense)) AS kv,
                        max(peak_host_mib) AS host, max(peak_device_mib) AS device,
                        sum(total_ms) AS total, sum(warnings <> '') AS warned
                    FROM results WHERE batch = ?
                    """, arguments: [ReportFixture.batch])
        }
        let row = try #require(found)
        func close(_ value: Double?, _ column: String) -> Bool {
            guard let value, let other: Double = row[column] else { return false }
            return abs(value - other) <= 1e-9 * max(1, abs(other))
        }
        #expect(content.answers.count == row["answers"] && content.answers.count > 20)
        #expect(summary.correct == row["correct"] && summary.judged == row["judged"])
        #expect(summary.correct > 0 && summary.correct < summary.judged)
        #expect(close(summary.attnSavedPct, "attn") && close(summary.llmSavedPct, "llm"))
        #expect(close(summary.kvSavedPct, "kv") && close(summary.totalMS, "total"))
        #expect(close(summary.peakHostMiB, "host") && close(summary.peakDeviceMiB, "device"))
        #expect(summary.answersWithWarnings == row["warned"])
        let states = try file.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT state, count(*) AS n FROM jobs JOIN batches USING (batch_id)
                    WHERE name = ? GROUP BY 1
                    """, arguments: [ReportFixture.batch])
        }
        for state in states {
            let name: String = state["state"]
            #expect((name == "succeeded" ? summary.succeeded : summary.failed) == state["n"])
        }
        // And the page says them.
        let text = try ParsedPage(ReportPage.text(content)).text
        #expect(text.contains(ReportFigures.percent(summary.attnSavedPct)))
        #expect(text.contains(ReportFigures.percent(summary.kvSavedPct)))
        #expect(text.contains(ReportFigures.time(milliseconds: summary.totalMS)))
        #expect(text.contains("\(summary.correct) right"))
        #expect(text.contains("of \(summary.jobs) jobs"))
    }

    @Test func `attempts and videos are the database's`() async throws {
        let fixture = try await ReportFixture()
        defer { fixture.remove() }
        let content = try await fixture.content(batch: nil)
        let jobs = try await fixture.queue.queue.list(JobSelection(), limit: .max)
        #expect(content.attempts.count == jobs.count)
        #expect(Set(content.attempts.compactMap(\.jobID)) == Set(jobs.map(\.jobID)))
        #expect(content.attempts.allSatisfy { $0.device == "cpu&gpu" && $0.begunAt != nil })
        for job in jobs {
            let shown = try #require(try await fixture.queue.queue.show(job.jobID))
            #expect(content.videos[job.jobID]?.contentID == shown.video["content_id"])
        }
    }

    @Test func `an unknown batch is named, with those there are`() async throws {
        let fixture = try await ReportFixture()
        defer { fixture.remove() }
        await #expect {
            _ = try await fixture.content(batch: "nightly")
        } throws: { error in
            guard let error = error as? QueueError else { return false }
            return error.kind == .invalid && error.message.contains("nightly")
                && error.message.contains("baseline")
        }
    }

    @Test func `an empty queue makes a page`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let content = try await ReportContent(
            of: fixture.queue, batch: nil, baseline: nil, version: "1", madeAt: Date())
        let text = try ParsedPage(ReportPage.text(content)).text
        #expect(text.contains("no jobs") && text.contains("There is no answer yet."))
    }

    @Test func `a batch without one answer has failed`() {
        func status(_ succeeded: Int, _ failed: Int, ready: Int = 0) -> BatchStatus {
            BatchStatus(
                batch: "b", held: 0, ready: ready, scheduled: 0, retrying: 0, running: 0,
                orphaned: 0, succeeded: succeeded, failed: failed, cancelled: 1)
        }
        func verdict(_ statuses: [BatchStatus]) -> ReportSummary.Verdict {
            ReportSummary(statuses: statuses, answers: []).verdict
        }
        #expect(verdict([status(0, 3)]) == .failed)
        #expect(verdict([status(1, 3)]) == .finishedWithFailures)
        #expect(verdict([status(1, 0)]) == .finished)
        #expect(verdict([status(0, 0)]) == .cancelled)
        #expect(verdict([status(0, 3, ready: 1)]) == .unfinished)
        #expect(verdict([]) == .empty)
    }

    @Test func `ten thousand answers stay small, each picture stands once`() throws {
        var content = ReportContent(batch: "b", queue: "q.db", version: "1", madeAt: Date())
        content.answers = (0..<10_000).map { index in
            ReportAnswer(
                ResultRow(columns: [
                    ("job_id", .integer(Int64(index))), ("video", .text("/v/\(index / 10).mp4")),
                    ("question", .text("How many cars are there in part \(index) of the video?")),
                    ("answer", .text("There are \(index % 7) cars.")), ("expected", .text("3")),
                    ("correct", .integer(Int64(index % 2))), ("options_json", .text("{}")),
                    ("attn_flops_dense", .real(2e12)), ("attn_flops_used", .real(1e12)),
                    ("total_ms", .real(Double(index))), ("prefill_ms", .real(5)),
                    ("peak_host_mib", .real(900)),
                ]), video: nil)
        }
        for index in 0..<1000 {
            content.thumbnails["/v/\(index).mp4"] = .init(
                type: "image/jpeg", data: Data("picture \(index).".utf8))
        }
        content.attempts = (0..<10_000).map { index in
            AttemptRow(
                attemptID: AttemptID(index), number: 1, worker: "w\(index % 4)",
                startedAt: ReportTime.iso(1e9 + Double(index)),
                endedAt: ReportTime.iso(1e9 + Double(index + 4)), outcome: "succeeded",
                jobID: JobID(index), device: "cpu")
        }
        let page = ReportPage.text(content)
        #expect(page.utf8.count < 12_000_000, "\(page.utf8.count) bytes")
        for index in [0, 500, 999] {
            let data = Data("picture \(index).".utf8).base64EncodedString()
            #expect(page.ranges(of: data).count == 1)
        }
        let parsed = try ParsedPage(page)
        #expect(parsed.names("tr") > 10_000)
        content.answerLimit = 100
        let short = ReportPage.text(content)
        #expect(short.contains("The first 100 of 10,000 answers"))
        #expect(try ParsedPage(short).names("tr") < 200)
    }
}
