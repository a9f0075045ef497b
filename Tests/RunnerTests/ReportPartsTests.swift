import Foundation
import Jobs
import Testing
import VideoFrames

@testable import Runner

@Suite struct ReportPartsTests {
    /// A shell gives back what was quoted.
    @Test(arguments: Hostile.texts + ["", "plain", "it's", "-x", "a b", "*", "~", "!!", "\\n"])
    func `a quoted word is one word of the shell`(text: String) throws {
        // No shell passes a NUL on.
        let text = text.filter { $0 != "\0" }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", "printf %s " + ShellWord.quoted(text)]
        process.environment = ["LC_ALL": "C.UTF-8"]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(String(decoding: output, as: UTF8.self) == text)
        // What is copied from the page is what was meant.
        let word = ShellWord.quoted(text)
        #expect(HTML.visible(word) == word)
    }

    private static func job(_ id: JobID, _ errorClass: ErrorClass, _ code: String) -> JobRow {
        JobRow(
            jobID: id, batch: "b", state: .failed, video: "/v.mp4", question: "q", priority: 0,
            attemptsMade: 1, errorClass: errorClass, errorCode: code, errorMessage: "m\(id % 2)")
    }

    @Test func `retry names exactly the failed jobs of a kind`() {
        var content = ReportContent(
            batch: "it's", queue: "/a b/q.db", version: "1", madeAt: Date())
        content.failures =
            [3, 4, 5, 9].map { Self.job($0, .resource, "out_of_memory") }
            + [6, 7].map { Self.job($0, .resource, "full") }
            + [11, 12].map { Self.job($0, .timeout, "timeout") }
            + [20, 21].map { Self.job($0, .input, "not_a_video") }
        let groups = FailureGroup.groups(of: content.failures)
        let lines = groups.map { RetryCommandLine($0, among: groups, content).text }
        let begin = "zipvl-batch --queue '/a b/q.db' retry "
        #expect(
            lines == [
                begin + "3-5 9", begin + "20 21", begin + "6-7",
                begin + #"--batch 'it'\''s' --state failed --error-class timeout"#,
            ])
        #expect(groups[0].messages.map(\.count) == [3, 1])
    }

    @Test func `a histogram counts every value once, in the bin it lies in`() throws {
        let values = (0..<997).map { Double($0 * $0 % 613) / 7 - 20 }
        let histogram = try #require(Histogram([values, [.nan, 3.5, .infinity]]))
        #expect(histogram.counts.map { $0.reduce(0, +) } == [997, 1])
        for bin in 0..<histogram.bins {
            let low = histogram.start + Double(bin) * histogram.width
            let bounds = (low - 1e-6)..<(low + histogram.width - 1e-6)
            let inside = values.count { bounds.contains($0) }
            #expect(abs(histogram.counts[0][bin] - inside) <= 1)
        }
        #expect(histogram.bins <= 26)
        for value in [0, 1, -1, 1e-300, 5e14, 99.5] {
            let same = try #require(Histogram([[value, value, value]]))
            #expect(same.bins <= 30 && same.counts[0].reduce(0, +) == 3)
        }
        #expect(Histogram([[], [.nan]]) == nil)
    }

    @Test func `a long pause is cut out of the time line`() {
        typealias Interval = (start: Double, end: Double)
        func minutes(_ count: Int, of day: Int) -> [Interval] {
            let begin = Double(day) * 86400 + 22 * 3600
            return (0..<count).map { minute in
                let start = begin + 60 * Double(minute)
                return (start, start + 60)
            }
        }
        let intervals = (0..<3).flatMap { minutes(60, of: $0) }
        let axis = TimeAxis(intervals, left: 100, right: 1000)
        #expect(axis.parts.count == 3)
        #expect(axis.parts.first?.left == 100)
        #expect(abs((axis.parts.last?.right ?? 0) - 1000) < 1e-6)
        let places = intervals.map { axis.pixel($0.start) }
        #expect(zip(places, places.dropFirst()).allSatisfy { $0 < $1 })
        #expect(axis.ticks.allSatisfy { $0.pixel >= 100 && $0.pixel <= 1000 })
        #expect(axis.ticks.contains { $0.text == "22:30" || $0.text == "22:00" })
        // One moment, and a thousand nights.
        #expect(TimeAxis([(5, 5)], left: 0, right: 10).pixel(5) == 5)
        let many = TimeAxis((0..<1000).flatMap { minutes(1, of: $0) }, left: 0, right: 900)
        #expect(many.parts.count <= 6)
    }

    private static func answer(
        _ id: Int64, _ content: String, _ options: String, correct: Bool?, saved: Double = 0.5
    ) -> ReportAnswer {
        var columns: [(name: String, value: ResultRow.Value)] = [
            ("job_id", .integer(id)), ("question", .text("q")), ("options_json", .text(options)),
            ("attn_flops_dense", .real(100)), ("attn_flops_used", .real(100 * (1 - saved))),
            ("total_ms", .real(Double(id))), ("method", .text(options)),
        ]
        if let correct { columns.append(("correct", .integer(correct ? 1 : 0))) }
        return ReportAnswer(
            ResultRow(columns: columns),
            video: VideoRecord(
                contentID: content, path: "/same/path.mp4", sizeBytes: 1, mtimeNanoseconds: 1))
    }

    @Test func `answers are paired by content and question`() throws {
        var content = ReportContent(batch: "b", queue: "q", version: "1", madeAt: Date())
        content.answers = [
            Self.answer(1, "a", "{1}", correct: true, saved: 0.8),
            Self.answer(2, "b", "{1}", correct: false, saved: 0.6),
            Self.answer(3, "c", "{1}", correct: true, saved: 0.7),
            Self.answer(4, "d", "{1}", correct: nil), Self.answer(5, "e", "{1}", correct: true),
            Self.answer(6, "f", "{1}", correct: true), Self.answer(7, "g", "{1}", correct: false),
        ]
        content.baseline = .init(
            batch: "base",
            answers: [
                Self.answer(11, "a", "{0}", correct: false, saved: 0),
                Self.answer(12, "b", "{0}", correct: true, saved: 0),
                Self.answer(13, "c", "{0}", correct: true, saved: 0.1),
                Self.answer(14, "d", "{0}", correct: true),
                Self.answer(15, "e", "{0}", correct: true),
                Self.answer(16, "e", "{2}", correct: true),
                Self.answer(17, "g", "{0}", correct: true),
                Self.answer(18, "g", "{1}", correct: false, saved: 0.4),
            ])
        let comparisons = ReportComparison.comparisons(of: content)
        let comparison = try #require(comparisons.first)
        #expect(comparisons.count == 1)
        #expect(comparison.pairs.map(\.baseline.jobID) == [11, 12, 13, 14, 18])
        #expect(comparison.unpaired == 1 && comparison.ambiguous == 1)
        #expect(comparison.bothRight == 1 && comparison.bothWrong == 1)
        #expect(comparison.onlyThisRight == 1 && comparison.onlyBaselineRight == 1)
        #expect(comparison.pValue == 1 && comparison.accuracyPoints == 0)
        let saved = try #require(comparison.difference(\.attnSavedPct))
        #expect(saved.pairs == 5)
        #expect(abs(saved.mean - (80 + 60 + 60 + 0 + 10) / 5) < 1e-9)
        let interval = try #require(saved.interval)
        #expect(interval.low < saved.mean && saved.mean < interval.high)
        #expect(interval.low >= 0 && interval.high <= 80)
        #expect(comparison.difference(\.kvSavedPct) == nil)
    }

    /// The general bootstrap agrees with the one of counts, and with normal theory.
    @Test func `a bootstrapped mean lies where theory has it`() throws {
        let values =
            [Double](repeating: 1, count: 30) + [Double](repeating: -1, count: 10)
            + [Double](repeating: 0, count: 60)
        let mean = try #require(PairedStatistics.bootstrapMean(values))
        let counts = try #require(
            PairedStatistics.bootstrap(gained: 30, lost: 10, pairs: 100))
        #expect(abs(mean.low - counts.low) <= 0.0101 && abs(mean.high - counts.high) <= 0.0101)
        let many = (0..<4000).map { Double($0 * 7919 % 4000) }
        let interval = try #require(PairedStatistics.bootstrapMean(many))
        // Standard error of the mean of 0 ..< 4000: 1154.7 / sqrt(4000).
        #expect(abs(interval.low - (1999.5 - 1.96 * 18.257)) < 3)
        #expect(abs(interval.high - (1999.5 + 1.96 * 18.257)) < 3)
        #expect(PairedStatistics.bootstrapMean([2, 2]) == .init(low: 2, high: 2))
        #expect(PairedStatistics.bootstrapMean([]) == nil)
    }

    @Test func `numbers read well`() {
        #expect(
            ReportFigures.count(1_234_567) == "1,234,567" && ReportFigures.count(-1000) == "−1,000")
        #expect(ReportFigures.flops(1.25e15) == "1.25 PFLOP" && ReportFigures.flops(0) == "0 FLOP")
        #expect(ReportFigures.bytes(3.5 * 0x1p30) == "3.50 GiB")
        #expect(ReportFigures.bytes(1023.9) == "1.00 KiB")
        #expect(ReportFigures.time(milliseconds: 850) == "850 ms")
        #expect(ReportFigures.time(milliseconds: 59_990) == "1 min 0 s")
        #expect(ReportFigures.time(milliseconds: 7_500_000) == "2 h 05 min")
        #expect(ReportFigures.time(milliseconds: -1500) == "−1.5 s")
        #expect(ReportFigures.decimal(-0.01, 1) == "0.0" && ReportFigures.signed(0.04, 1) == "0.0")
        #expect(ReportFigures.percent(nil) == "–" && ReportFigures.decimal(.nan, 1) == "–")
    }
}

@Suite struct ThumbnailTests {
    private static func record(_ path: String, size: Int64? = nil) throws -> VideoRecord {
        let found = ContentIdentity.statistics(path)
        return VideoRecord(
            contentID: "sha256:" + path, path: path, sizeBytes: size ?? found?.size ?? -1,
            mtimeNanoseconds: found?.mtime ?? 0)
    }

    @Test func `a video has a picture of its shape, a file that is none has none`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "thumbs-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let broken = folder.path + "/broken.mp4"
        try Data("no video".utf8).write(to: URL(fileURLWithPath: broken))
        let clip = FrameSourceTests.clip
        let replaced = folder.path + "/replaced.mp4"
        try FileManager.default.copyItem(atPath: clip, toPath: replaced)
        let source = ThumbnailSource { request, _ in try FrameSampler.sample(request) }
        let videos = [
            try Self.record(folder.path + "/missing.mp4"), try Self.record(broken),
            try Self.record(replaced, size: 5), try Self.record(clip),
        ]
        let found = await source.thumbnails(of: videos + videos, limit: 10)
        #expect(found.count == 1)
        let picture = try #require(found["sha256:" + clip])
        #expect(picture.data.count < 12_000, "\(picture.data.count) bytes")
        // Read back by the same libraries: its shape is the clip's, its colours are near.
        let file = folder.path + "/picture.jpg"
        try picture.data.write(to: URL(fileURLWithPath: file))
        let facts = try FrameSampler.probe(path: clip)
        let read = try FrameSampler.sample(SamplingRequest(path: file, frames: 1, side: 0))
        #expect(max(read.width, read.height) == ThumbnailSource.side)
        let ratio = Double(facts.width) / Double(facts.height)
        #expect(abs(Double(read.width) / Double(read.height) - ratio) < 0.02)
        let middle = try FrameSampler.sample(
            SamplingRequest(
                path: clip, frames: 3, side: 64, mode: .keyframe, resize: .swscale,
                geometry: .squash))
        let bytes = 64 * 64 * 3
        for channel in 0..<3 {
            func mean(_ pixels: ArraySlice<UInt8>) -> Double {
                let own = pixels.indices.filter { ($0 - pixels.startIndex) % 3 == channel }
                return own.reduce(0.0) { $0 + Double(pixels[$1]) } / Double(own.count)
            }
            #expect(abs(mean(read.pixels[...]) - mean(middle.pixels[bytes..<(2 * bytes)])) < 3)
        }
        #expect(await source.thumbnails(of: videos.reversed(), limit: 1).count == 1)
        #expect(await source.thumbnails(of: videos, limit: 3).isEmpty)
    }
}

@Suite struct FinishRateTests {
    @Test func `a rate is that of the last minutes`() throws {
        var rate = FinishRate(window: .seconds(300))
        #expect(rate.estimate == nil)
        for second in stride(from: 0.0, through: 1000, by: 10) {
            // A job a second at first, two later.
            rate.look(finished: Int(second <= 500 ? second : 500 + 2 * (second - 500)), at: second)
        }
        let estimate = try #require(rate.estimate)
        #expect(abs(estimate.perSecond - 2) < 0.01 && estimate.seconds == 300)
        let time = estimate.time(for: 1200)
        #expect(abs(time.expected - 600) < 3)
        #expect(time.low < time.expected && time.expected < time.high)
    }

    /// The exact Poisson limits of 1, 10 and 100 (Garwood 1936).
    @Test(arguments: [(1, 0.025, 5.572), (10, 4.795, 18.390), (100, 81.364, 121.627)])
    func `the interval is that of a Poisson count`(count: Int, low: Double, high: Double) throws {
        var rate = FinishRate()
        rate.look(finished: 5, at: 0)
        rate.look(finished: 5 + count, at: 1)
        let estimate = try #require(rate.estimate)
        #expect(abs(estimate.low - low) < 0.02 && abs(estimate.high - high) < 0.05)
    }

    @Test func `jobs that were put back begin a new count`() {
        var rate = FinishRate()
        rate.look(finished: 10, at: 0)
        rate.look(finished: 20, at: 1)
        rate.look(finished: 3, at: 2)
        #expect(rate.estimate == nil)
    }
}
