import Foundation
import Glibc
import Jobs
import Runner
import VideoFrames

/// Looks at the files, inserts the jobs, and says what became of each.
struct Enqueuing {
    var global: GlobalOptions
    var isDryRun = false
    /// File for lines that give no job.
    var errors: String?

    @discardableResult
    func run(_ call: EnqueueCall) async throws -> EnqueueRun.Totals {
        let queue = try global.openQueue()
        let sampler = SamplerLaunch.start()
        let enqueuer = Enqueuer(queue: queue) { try await sampler.probe(path: $0) }
        let lines = try errors.map { try LineFile($0) }
        var report = EnqueueReporter(global: global, errors: lines)
        var run = EnqueueRun(
            queue: queue, enqueuer: enqueuer, template: call.template, batch: call.batch,
            isDry: isDryRun)
        let result: Result<EnqueueRun.Totals, any Error>
        do {
            result = .success(try await run.run(call.entries) { try report.handle($0) })
        } catch {
            result = .failure(error)
        }
        report.clear()
        await sampler.shutDown()
        try lines?.close()
        let totals = try result.get()
        report.say(totals, batch: call.batch.name, isDry: isDryRun)
        return totals
    }
}

/// Says what becomes of entries while it happens.
struct EnqueueReporter {
    let global: GlobalOptions
    let errors: LineFile?
    private var states: [String: Int] = [:]
    private var complained = ""
    private var isDrawn = false

    init(global: GlobalOptions, errors: LineFile?) {
        self.global = global
        self.errors = errors
    }

    private struct Line: Encodable {
        var result: String
        var jobID: JobID?
        var video: String?
        var question: String?
        var state: String?
        var source: String?
        var line: Int?
        var reason: String?

        enum CodingKeys: String, CodingKey {
            case result
            case jobID = "job_id"
            case video, question, state, source, line, reason
        }
    }

    mutating func handle(_ event: EnqueueRun.Event) throws {
        switch event {
        case .badLine(let error):
            clear()
            Terminal.complain(Printable.line("\(error)"))
            let line = Line(
                result: "bad_line", source: error.file, line: error.line, reason: error.message)
            try errors?.write(JSONLine.text(line))
            if global.json { try JSONLine.print(line) }
        case .note(let text):
            clear()
            Terminal.complain("note: " + Printable.line(text))
        case .looked(let count):
            guard Terminal.showsErrors && !global.quiet && !global.json else { return }
            Terminal.write("\r\u{1B}[Klooking at videos: \(count)")
            isDrawn = true
        case .planned(let jobs):
            clear()
            for job in jobs { try plan(job) }
        case .stored(let report, let jobs):
            clear()
            try show(report, jobs)
        }
    }

    mutating func clear() {
        if isDrawn { Terminal.write("\r\u{1B}[K") }
        isDrawn = false
    }

    private func plan(_ job: NewJob) throws {
        if global.json {
            return try JSONLine.print(
                Line(
                    result: job.failure == nil ? "would_insert" : "would_reject",
                    video: job.video.path, question: job.question, reason: job.failure?.message))
        }
        let reason = job.failure.map { ": \($0.message)" } ?? ""
        print(
            Printable.line(
                "\(job.failure == nil ? "queue " : "reject")  \(job.video.path)  "
                    + "\(job.question)\(reason)"))
    }

    private mutating func show(_ report: EnqueueReport, _ jobs: [NewJob]) throws {
        for job in report.reused {
            states[job.state.rawValue, default: 0] += 1
            if global.verbose {
                global.say(
                    Printable.line(
                        "reused: job \(job.job) (\(job.state.rawValue)) asks the same of \(job.path)"
                    ))
            }
        }
        if global.json { return try showJSON(report) }
        for job in jobs where job.failure != nil && job.video.path != complained {
            complained = job.video.path
            Terminal.complain(
                Printable.line("rejected: \(job.failure?.message ?? job.video.path)"))
        }
    }

    private func showJSON(_ report: EnqueueReport) throws {
        for id in report.inserted { try JSONLine.print(Line(result: "inserted", jobID: id)) }
        for job in report.reused {
            try JSONLine.print(
                Line(
                    result: "reused", jobID: job.job, video: job.path, question: job.question,
                    state: job.state.rawValue, reason: "the same question, content and settings"))
        }
        for id in report.rejected { try JSONLine.print(Line(result: "rejected", jobID: id)) }
    }

    func say(_ totals: EnqueueRun.Totals, batch: String, isDry: Bool) {
        let bad = totals.badLines == 0 ? "" : ", \(totals.badLines) wrong lines"
        let elsewhere = totals.elsewhere == 0 ? "" : ", \(totals.elsewhere) of other shards"
        if isDry {
            return global.say(
                "would queue \(totals.inserted) (less those that are there already) and reject "
                    + "\(totals.rejected)\(elsewhere)\(bad); nothing was written")
        }
        let reasons = states.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        let reused =
            reasons.isEmpty
            ? "0 reused"
            : "\(totals.reused) reused "
                + "(same question, content and settings: \(reasons.joined(separator: ", ")))"
        global.say(
            "\(batch): \(totals.inserted) queued, \(reused), \(totals.rejected) rejected"
                + elsewhere + bad)
    }
}

/// A text file that is written line by line.
final class LineFile {
    private let path: String
    private let stream: UnsafeMutablePointer<FILE>

    /// - Throws: `OutputError`
    init(_ path: String) throws {
        self.path = path
        guard let stream = fopen(path, "w") else {
            throw OutputError(
                description: "\(path): cannot be written: \(String(cString: strerror(errno)))")
        }
        self.stream = stream
    }

    private var isOpen = true

    func write(_ line: String) throws {
        let text = line + "\n"
        guard fwrite(text, 1, text.utf8.count, stream) == text.utf8.count else { throw failure() }
    }

    func close() throws {
        guard isOpen else { return }
        isOpen = false
        guard fclose(stream) == 0 else { throw failure() }
    }

    deinit { if isOpen { fclose(stream) } }

    private func failure() -> OutputError {
        OutputError(description: "\(path): cannot be written: \(String(cString: strerror(errno)))")
    }
}
