import ArgumentParser
import Foundation
import Jobs
import Runner

struct EnqueueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enqueue", abstract: "Put questions about videos into the queue.",
        discussion: """
            A directory is searched with everything below it. A file that is no video becomes a failed \
            job of class `input` at once. What was asked before with the same settings is reused.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions
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
            "JSONL file with one question about one video a line (repeatable).",
            valueName: "file.jsonl"))
    var manifest: [String] = []

    @Option(help: ArgumentHelp("Only files that match (repeatable).", valueName: "glob"))
    var include: [String] = []

    @Option(help: ArgumentHelp("No files that match (repeatable).", valueName: "glob"))
    var exclude: [String] = []

    @Option(help: "Name of the batch (default: that of the job file or of the first path).")
    var batch: String?

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

    @Flag(help: "Look at the videos and say what would be queued.")
    var dryRun = false

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
    }

    func run() async throws {
        let file = try jobFile()
        let plan = try plan(file)
        let found = try plan.find()
        for note in found.notes { Terminal.complain("note: \(note)") }
        let configurations = try Configurations(
            analysis.request, file, on: MachineDevices.kind)

        var template = Enqueuer.Template(configs: configurations.records)
        template.priority = priority ?? file?.priority ?? 0
        template.runAt = at?.date
        template.held = hold
        template.maxAttempts = maxAttempts ?? file?.limits.maxAttempts ?? 3
        template.maxCrashes = maxCrashes ?? file?.limits.maxCrashes ?? 3
        template.timeout = timeout?.duration ?? file?.limits.timeout ?? .seconds(3600)

        let spec = BatchSpec(
            name: batch ?? file?.name ?? defaultName, source: file?.path ?? paths.first ?? "-",
            specJSON: try JSONLine.text(
                BatchDescription(configurations, found.items, plan.questions.map(\.text))))
        try await Enqueuing(global: global, isDryRun: dryRun).run(found.items, template, spec)
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
                plan.standardInput = FileHandle.standardInput.readDataToEndOfFile()
            } else if path.hasSuffix(".jsonl") {
                plan.manifests.append(path)
            } else {
                plan.paths.append(path)
            }
        }
        plan.manifests += manifest
        plan.questions += question.map { JobFile.Question(text: $0) }
        if let questions { plan.questions += try Self.questions(in: questions) }
        plan.search.include += include
        plan.search.exclude += exclude
        guard !plan.paths.isEmpty || !plan.manifests.isEmpty || plan.standardInput != nil else {
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
