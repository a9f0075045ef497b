import ArgumentParser
import Foundation
import Jobs
import Runner

/// What is to be asked of what: the options of `enqueue` and `run`.
struct EnqueueOptions: ParsableArguments {
    @OptionGroup var analysis: AnalysisFlags

    @Argument(
        help: ArgumentHelp(
            "Directories, videos, a manifest (.jsonl), a job file (.yaml), or - for a list on standard input.",
            valueName: "path"))
    var paths: [String] = []

    @Option(help: ArgumentHelp("Job file.", valueName: "file.yaml"))
    var job: String?

    @Option(help: ArgumentHelp("Question to ask of each video (repeatable).", valueName: "text"))
    var question: [String] = []

    @Option(help: ArgumentHelp("File with one question a line.", valueName: "file"))
    var questions: String?

    @Option(
        help: ArgumentHelp(
            "How manifests are written (default: told by each line).", valueName: "zipvl|openai"))
    var format: Manifest.Format?

    @Option(
        help: ArgumentHelp(
            "Write lines that give no job into this file, too, as JSON.", valueName: "file"))
    var errors: String?

    @Option(
        help: ArgumentHelp(
            "JSONL file with one question about one video a line (repeatable).",
            valueName: "file.jsonl"))
    var manifest: [String] = []

    @Option(help: ArgumentHelp("Only files that match (repeatable).", valueName: "glob"))
    var include: [String] = []

    @Option(help: ArgumentHelp("No files that match (repeatable).", valueName: "glob"))
    var exclude: [String] = []

    @Option(help: "Name of the batch (default: that of the job file or of the first path).")
    var batch: String?

    @Option(
        help: ArgumentHelp(
            "Queue that the jobs go to; made when it is new (default: default).",
            valueName: "name"))
    var queueName: String?

    @Option(
        help: ArgumentHelp(
            "Only the i-th of n parts of all videos, by their content.", valueName: "i/n"))
    var shard: Shard?

    @Option(help: ArgumentHelp("-1000 to 1000, higher first (default: 0).", valueName: "n"))
    var priority: Int?

    @Option(
        help: ArgumentHelp("Not before this time: HH:MM or ISO 8601.", valueName: "time"))
    var at: TimeArgument?

    @Flag(help: "Hold the jobs back.")
    var hold = false

    @Option(
        help: ArgumentHelp("Attempts before a job fails for good (default: 3).", valueName: "n"))
    var maxAttempts: Int?

    @Option(
        help: ArgumentHelp("Worker deaths before a job is given up (default: 3).", valueName: "n"))
    var maxCrashes: Int?

    @Option(
        help: ArgumentHelp("Time limit of one job, such as 20m (default: 1h).", valueName: "time"))
    var timeout: DurationArgument?

    func validate() throws {
        if let priority, !(-1000...1000).contains(priority) {
            throw ValidationError("--priority \(priority): expected -1000 to 1000")
        }
        for (flag, value) in [("--max-attempts", maxAttempts), ("--max-crashes", maxCrashes)] {
            if let value, value < 1 {
                throw ValidationError("\(flag) \(value): expected at least 1")
            }
        }
        if question.contains("") { throw ValidationError("--question: is empty") }
        if queueName == "" { throw ValidationError("--queue-name: is empty") }
        try OutputFile.check(errors, flag: "--errors")
    }

    /// What these options ask for, checked as far as that is possible without looking at a video.
    func call(_ global: GlobalOptions) throws -> EnqueueCall {
        let file = try jobFile()
        var plan = try plan(file)
        let configurations = try Configurations(
            analysis.request, file, on: MachineDevices.kind)
        plan.maxNewTokens = configurations.options.first?.maxNewTokens

        var template = Enqueuer.Template(configs: configurations.records)
        template.queue = queueName ?? file?.queue ?? "default"
        template.shard = shard
        template.priority = priority ?? file?.priority ?? 0
        template.runAt = at?.date
        template.held = hold
        template.maxAttempts = maxAttempts ?? file?.limits.maxAttempts ?? 3
        template.maxCrashes = maxCrashes ?? file?.limits.maxCrashes ?? 3
        template.timeout = timeout?.duration ?? file?.limits.timeout ?? .seconds(3600)

        let batch = BatchSpec(
            name: batch ?? file?.name ?? defaultName, source: file?.path ?? paths.first ?? "-",
            specJSON: try JSONLine.text(
                BatchDescription(configurations, plan.questions.map(\.text))))
        return EnqueueCall(entries: try plan.entries(), template: template, batch: batch)
    }

    /// `--job`, or the one path that is a job file.
    private func jobFile() throws -> JobFile? {
        let named = [job].compactMap(\.self) + paths.filter(Self.isJobFile)
        guard named.count <= 1 else {
            throw ValidationError("one job file at a time: \(named.joined(separator: ", "))")
        }
        return try named.first.map {
            try JobFile(contentsOf: $0, environment: ProcessInfo.processInfo.environment)
        }
    }

    private static func isJobFile(_ path: String) -> Bool {
        path.hasSuffix(".yaml") || path.hasSuffix(".yml")
    }

    private func plan(_ file: JobFile?) throws -> EnqueuePlan {
        var plan = file.map(EnqueuePlan.init) ?? EnqueuePlan()
        for path in paths where !Self.isJobFile(path) {
            if path == "-" {
                plan.readsStandardInput = true
            } else if path.hasSuffix(".jsonl") {
                plan.manifests.append(path)
            } else {
                plan.paths.append(path)
            }
        }
        plan.manifests += manifest
        plan.questions += question.map { JobFile.Question(text: $0) }
        if let questions { plan.questions += try Self.questions(in: questions) }
        plan.format = format
        plan.search.include += include
        plan.search.exclude += exclude
        guard !plan.paths.isEmpty || !plan.manifests.isEmpty || plan.readsStandardInput else {
            throw ValidationError("name at least one directory, video, manifest or job file")
        }
        return plan
    }

    private static func questions(in path: String) throws -> [JobFile.Question] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw EnqueueError("\(path): cannot be read as UTF-8 text")
        }
        return text.split(whereSeparator: \.isNewline)
            .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
            .map { JobFile.Question(text: $0) }
    }

    private var defaultName: String {
        guard let first = paths.first ?? manifest.first, first != "-" else { return "stdin" }
        return URL(fileURLWithPath: first).standardizedFileURL.lastPathComponent
    }
}

/// One call of `enqueue`.
struct EnqueueCall {
    var entries: EnqueueEntries
    var template: Enqueuer.Template
    var batch: BatchSpec
}

extension Manifest.Format: ExpressibleByArgument {}

extension Shard: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument) }
}
