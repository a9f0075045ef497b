import ArgumentParser
import Foundation
import Jobs
import Runner

/// How a worker works: the options of `work` and `run`.
struct WorkOptions: ParsableArguments {
    enum LogFormat: String, ExpressibleByArgument, CaseIterable { case text, json }

    @Option(
        help: ArgumentHelp(
            "Claim nothing after this time, and nothing that would probably take longer.",
            valueName: "HH:MM"))
    var until: TimeArgument?

    @Option(
        help: ArgumentHelp(
            "End after this many jobs; with --gpus each worker after as many, counted anew when it was started again.",
            valueName: "n"))
    var maxJobs: Int?

    @Option(help: ArgumentHelp("As --until, this long from now.", valueName: "time"))
    var maxTime: DurationArgument?

    @Option(
        help: ArgumentHelp("End when there was nothing to claim for this long.", valueName: "time"))
    var idleExit: DurationArgument?

    @Option(
        help: ArgumentHelp(
            "End with 6 when jobs fail, succeed or end: soon,fail=10%, now,fail=3.",
            valueName: "when,what=limit"))
    var halt: String?

    @Option(
        help: ArgumentHelp("Claim only jobs of these queues (default: all).", valueName: "a,b"))
    var queues: String?

    @Option(
        help: ArgumentHelp(
            "Questions about one video that are claimed together (default: 8).", valueName: "n"))
    var group: Int?

    @Option(
        help: ArgumentHelp(
            "How long a claim lasts without a sign of life (default: 60s).", valueName: "time"))
    var lease: DurationArgument?

    @Option(
        help: ArgumentHelp(
            "How long the job in hand may go on after a signal (default: 10m).", valueName: "time"))
    var grace: DurationArgument?

    @Option(
        help: ArgumentHelp(
            "End with 74 when less than this is free on the queue's disk (default: 512MiB; 0 does not look).",
            valueName: "size"))
    var minFree: SizeArgument?

    @Flag(help: "Do not write answers down before they are stored.")
    var noJournal = false

    @Option(
        help: ArgumentHelp(
            "Keep a Prometheus text file, for the node exporter; with --gpus the first worker does.",
            valueName: "file"))
    var metricsFile: String?

    @Option(help: "How progress is shown.")
    var progress = ProgressStyle.auto

    @Option(help: "Lines for people, or JSON with job, attempt and worker.")
    var logFormat = LogFormat.text

    @Option(
        help: ArgumentHelp(
            "Append log lines to this file, opened anew on SIGHUP.", valueName: "file"))
    var logFile: String?

    func validate() throws {
        if let maxJobs, maxJobs < 1 {
            throw ValidationError("--max-jobs \(maxJobs): expected at least 1")
        }
        if let group, !(1...256).contains(group) {
            throw ValidationError("--group \(group): expected 1 to 256")
        }
        if let halt {
            do { _ = try HaltPolicy(halt) } catch { throw ValidationError(error.message) }
        }
        if queueNames?.contains("") == true {
            throw ValidationError(
                "--queues \(queues ?? ""): expected names with commas between them")
        }
        if let lease, lease.duration < .seconds(4) || lease.duration > .seconds(86400) {
            throw ValidationError("--lease: expected 4s to 1d")
        }
        try OutputFile.check(metricsFile, flag: "--metrics-file")
        try OutputFile.check(logFile, flag: "--log-file")
    }

    private var queueNames: [String]? {
        queues?.split(separator: ",", omittingEmptySubsequences: false).map {
            $0.trimmingCharacters(in: .whitespaces)
        }
    }

    func style(_ global: GlobalOptions) -> ProgressStyle {
        logFormat == .json ? .none : progress.resolved(global)
    }

    /// - Throws: `QueueError`
    func options(_ global: GlobalOptions) throws -> RunnerOptions {
        var options = try RunnerOptions(at: global.location)
        options.until = until?.date
        options.maxJobs = maxJobs
        options.maxTime = maxTime?.duration
        options.idleExit = idleExit?.duration
        options.halt = try halt.map { try HaltPolicy($0) }
        options.filter.queues = queueNames ?? []
        if let group { options.group = group }
        if let lease {
            options.lease = lease.duration
            options.heartbeat = min(options.heartbeat, lease.duration / 4)
            options.fenceMargin = min(options.fenceMargin, lease.duration / 4)
        }
        if let grace { options.grace = grace.duration }
        if let minFree { options.minFree = minFree.bytes }
        if noJournal { options.journalFolder = nil }
        options.metricsFile = metricsFile
        return options
    }
}

extension RunnerOptions {
    /// With the files that belong to a queue where they belong.
    init(at location: QueueLocation) {
        self.init()
        journalFolder = location.answersFolder
        logFolder = location.logsFolder
        if case .sqlite(let path) = location {
            queueFolder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        }
    }
}

/// Bytes with their unit: `512MiB`, `20GB`; 0 needs none.
struct SizeArgument: ExpressibleByArgument, Equatable {
    let bytes: Int64

    init?(argument: String) {
        if argument == "0" {
            bytes = 0
            return
        }
        let unit = String(argument.reversed().prefix { $0.isLetter }.reversed())
        let factors: [String: Double] = [
            "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 0x1p10, "MiB": 0x1p20,
            "GiB": 0x1p30, "TiB": 0x1p40,
        ]
        guard let factor = factors[unit], let count = Double(argument.dropLast(unit.count)),
            count >= 0, count * factor < 0x1p60
        else { return nil }
        bytes = Int64((count * factor).rounded())
    }
}
