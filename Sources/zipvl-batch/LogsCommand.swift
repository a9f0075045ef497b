import ArgumentParser
import Foundation
import Glibc
import Jobs
import Runner

struct LogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Show what a worker wrote about an attempt at a job.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Argument(help: IDRange.help)
    var id: IDRange

    @Option(
        help: ArgumentHelp("The attempt of this number (default: the last one).", valueName: "n"))
    var attempt: Int?

    private struct Line: Encodable {
        var jobID: JobID
        var attemptID: AttemptID
        var line: String

        enum CodingKeys: String, CodingKey {
            case jobID = "job_id"
            case attemptID = "attempt_id"
            case line
        }
    }

    func run() async throws {
        let queue = try global.readQueue()
        let detail = try await JobDetail.named(id, in: queue, global)
        let attempts =
            attempt.map { number in detail.attempts.filter { $0.number == number } }
            ?? Array(detail.attempts.suffix(1))
        guard !attempts.isEmpty else {
            let which = attempt.map { "no attempt \($0)" } ?? "no attempt yet"
            throw ValidationError("job \(detail.job.jobID): \(which)")
        }
        for attempt in attempts {
            var log = try AttemptLogFile(attempt, of: detail.job.jobID, global)
            guard log.exists else {
                throw OutputError(
                    description: "\(log.path): cannot be read; it was written by \(attempt.worker)")
            }
            for line in try log.newLines(all: true) {
                if global.json {
                    try JSONLine.print(
                        Line(
                            jobID: detail.job.jobID, attemptID: attempt.attemptID, line: line))
                } else {
                    print(Printable.line(line))
                }
            }
        }
    }
}

struct FollowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "follow", abstract: "Watch one job until it ends.",
        discussion: "Exit code 0: it was answered. 3: it failed or was cancelled.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Argument(help: IDRange.help)
    var id: IDRange

    func run() async throws {
        let queue = try global.readQueue()
        var log: AttemptLogFile?
        var said = ""
        while true {
            let detail = try await JobDetail.named(id, in: queue, global)
            let job = detail.job
            if let attempt = detail.attempts.last, attempt.attemptID != log?.attempt {
                log = try AttemptLogFile(attempt, of: job.jobID, global)
            }
            let isOver = [.succeeded, .failed, .cancelled].contains(job.state)
            // A log on another machine is no reason to give up.
            for line in (try? log?.newLines(all: isOver)) ?? [] where !global.json {
                print(Printable.line(line))
            }
            let state = "job \(job.jobID): \(job.state.rawValue) \(job.note)"
            if state != said {
                said = state
                if global.json {
                    try JSONLine.print(job)
                } else {
                    global.say(Printable.line(state))
                }
                fflush(nil)
            }
            if isOver {
                if let answer = detail.answer, !global.json { Terminal.print(answer.answer) }
                if job.state != .succeeded { throw ExitCode(CommandExit.failedJobs) }
                return
            }
            try await Task.sleep(for: .seconds(1))
        }
    }
}

extension JobDetail {
    /// - Throws: `ValidationError` unless exactly one job is meant
    static func named(
        _ id: IDRange, in queue: any QueueBackend, _ global: GlobalOptions
    ) async throws -> JobDetail {
        let jobs = try await queue.list(FilterOptions.selection(of: [id], in: queue), limit: 2)
        guard let job = jobs.first, let detail = try await queue.show(job.jobID) else {
            throw ValidationError("\(global.queueTitle): no job with this id")
        }
        guard jobs.count == 1 else { throw ValidationError("more than one job; name one") }
        return detail
    }
}

/// The file that a worker writes about one attempt.
struct AttemptLogFile {
    let attempt: AttemptID
    let path: String
    private var offset: UInt64 = 0
    private var rest = Data()

    init(_ attempt: AttemptRow, of job: JobID, _ global: GlobalOptions) throws {
        self.attempt = attempt.attemptID
        path =
            try attempt.logPath
            ?? global.location.logsFolder + "/\(job)-\(attempt.attemptID).log"
    }

    var exists: Bool { access(path, R_OK) == 0 }

    /// Whole lines that were written since the last call.
    ///
    /// - Parameter all: a last line without its end, too
    mutating func newLines(all: Bool) throws -> [String] {
        guard let file = FileHandle(forReadingAtPath: path) else { return [] }
        defer { try? file.close() }
        try file.seek(toOffset: offset)
        guard let data = try file.readToEnd() else { return [] }
        offset += UInt64(data.count)
        rest.append(data)
        var lines = rest.split(
            separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let last = lines.popLast() ?? Data()
        rest = all ? Data() : Data(last)
        if all, !last.isEmpty { lines.append(last) }
        return lines.map { String(decoding: $0, as: UTF8.self) }
    }
}
