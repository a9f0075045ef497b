import ArgumentParser
import Foundation
import Jobs
import Runner
import VideoFrames

struct ReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Write what became of a batch into one HTML file.",
        discussion: """
            The file needs nothing else: no network, no other file, and scripts only for filtering and \
            sorting. With --baseline, answers to the same questions about the same videos are compared.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Option(help: ArgumentHelp("File to write.", valueName: "file.html"))
    var out: String

    @Option(help: "Only this batch (default: all jobs of the queue).")
    var batch: String?

    @Option(help: ArgumentHelp("Compare with the answers of this batch.", valueName: "batch"))
    var baseline: String?

    @Option(
        help: ArgumentHelp(
            "Show pictures of at most this many videos (default: 500).", valueName: "n"))
    var thumbnails: Int?

    @Flag(help: "Show no pictures; no video is opened.")
    var noThumbnails = false

    @Option(
        help: ArgumentHelp(
            "List at most this many answers one by one (default: 10000).", valueName: "n"))
    var answers: Int?

    func validate() throws {
        try OutputFile.checkHTML(out, flag: "--out")
        if let thumbnails, thumbnails < 1 {
            throw ValidationError("--thumbnails \(thumbnails): expected at least 1")
        }
        if thumbnails != nil, noThumbnails {
            throw ValidationError("--thumbnails and --no-thumbnails exclude each other")
        }
        if let answers, answers < 1 {
            throw ValidationError("--answers \(answers): expected at least 1")
        }
        if baseline != nil, baseline == batch {
            throw ValidationError("--baseline \(baseline ?? ""): is the batch itself")
        }
        if baseline != nil, batch == nil {
            throw ValidationError(
                "--baseline: which batch is compared with it? Name it with --batch")
        }
    }

    func run() async throws {
        var content = try await ReportContent(
            of: try global.readQueue(), batch: batch, baseline: baseline, version: Version.text,
            madeAt: Date())
        content.answerLimit = answers ?? 10_000
        content.showsThumbnails = !noThumbnails
        if !noThumbnails {
            let sampler = SamplerLaunch.start()
            await content.addThumbnails(ThumbnailSource(sampler), limit: thumbnails ?? 500)
            await sampler.shutDown()
        }
        let text = ReportPage.text(content)
        try write(text)
        if global.json {
            return try JSONLine.print(
                Line(
                    report: out, bytes: text.utf8.count, answers: content.answers.count,
                    failures: content.failures.count, thumbnails: content.thumbnails.count))
        }
        global.say(
            "\(out): \(content.answers.count) answers, \(content.failures.count) failures, "
                + "\(text.utf8.count) bytes")
    }

    private struct Line: Encodable {
        var report: String
        var bytes, answers, failures, thumbnails: Int
    }

    /// Whoever looks at the file sees the old report or the new one, never half of one.
    private func write(_ text: String) throws {
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: out), options: .atomic)
        } catch {
            throw OutputError(description: "\(out): cannot be written: \(error)")
        }
    }
}
