import ArgumentParser
import Foundation
import Glibc
import Jobs
import Runner
import VideoFrames

struct EvalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Compare methods on questions with known answers, on the same frames.",
        discussion: """
            MANIFEST is JSON lines with video, question, choices (for multiple choice), expected, group and \
            custom_id, or the annotations of Video-MME (JSON), MLVU (a file or its folder json/) or \
            LongVideoBench (lvb_val.json) as published.

            A method is a name with options in the flags' names: zipvl:tau=0.96,rows=keys. Analysis flags \
            outside a method go to every method that takes them. `full` always runs.

            Each answer is stored as it is there (tables evaluation_*, view evaluation_results). The same \
            manifest, model and --name go on where they stopped, failed items are tried again, and the \
            table is that of a run in one go but for the times.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions
    @OptionGroup var analysis: AnalysisParameterFlags
    @OptionGroup var sampler: SamplerOptions
    @OptionGroup var device: DeviceOptions

    @Argument(help: "The questions: a file, or a folder of JSON files.")
    var manifest: String

    @Option(
        help: ArgumentHelp(
            "A method with its options (repeatable; default: full, zipvl).",
            valueName: "name:option=value,…"))
    var method: [String] = []

    @Option(help: ArgumentHelp("Frames sampled from each video.", valueName: "n,n…"))
    var frames = NumberList([64])

    @Option(help: "How the manifest is written (default: told by its keys).")
    var format: EvaluationFormat?

    @Option(
        help: ArgumentHelp(
            "Folder of the videos (default: the manifest's), searched by file name.",
            valueName: "dir"))
    var videos: String?

    @Option(
        help: ArgumentHelp(
            "Only the first questions; a later run with more goes on.", valueName: "n"))
    var limit: Int?

    @Option(help: ArgumentHelp("Name of the run, for several of one manifest.", valueName: "name"))
    var name = "default"

    @Option(help: ArgumentHelp("Method that the others are compared with.", valueName: "method"))
    var baseline = "full"

    @Flag(
        help: ArgumentHelp(
            "Forget the answers of an earlier run of this name. Replaced videos are not noticed without it."
        ))
    var fresh = false

    @Option(help: ArgumentHelp("Write the tables as Markdown, too.", valueName: "file.md"))
    var out: String?

    @Option(
        help: ArgumentHelp(
            "Draw right answers over attention and decoder FLOPs.", valueName: "file.svg"))
    var plot: String?

    @Option(
        help: ArgumentHelp(
            "Draw the kept share of the prompt by layer.", valueName: "file.svg"))
    var plotLayers: String?

    func validate() throws {
        try sampler.check(noCache: analysis.run.noCache)
        if name.isEmpty { throw ValidationError("--name: is empty") }
        if let count = frames.values.first(where: { !(1...65536).contains($0) }) {
            throw ValidationError("--frames \(count): expected 1 to 65536")
        }
        if let limit, limit < 1 { throw ValidationError("--limit \(limit): expected 1 or more") }
        try OutputFile.check(out, flag: "--out")
        try DrawingFile.check(plot, flag: "--plot")
        try DrawingFile.check(plotLayers, flag: "--plot-layers")
    }

    func run() async throws {
        let plan = try EvaluationPlan(
            specs: method, outside: analysis.settings, frames: frames.values, on: device.kind)
        let baseline = MethodSpec.label(self.baseline)
        guard plan.methods.contains(where: { $0.label == baseline }) else {
            let known = plan.methods.map(\.label).uniqued().joined(separator: " ")
            throw AnalysisError("--baseline \(baseline): is none of the methods \(known)")
        }
        let source = try EvaluationSource(
            contentsOf: manifest, format: format, videos: videos)
        for note in source.notes { Terminal.complain("note: \(note)") }
        let reference = try ModelReference(analysis.model)
        let queue = try global.openQueue()
        let ending = try await evaluate(source, plan, reference, queue)
        if ending.isForced, let signal = ending.stoppedBy { _exit(128 + signal) }

        let answers = try await queue.evaluationAnswers(ending.evaluation.methods)
        let asked = Array(source.items.prefix(limit ?? source.items.count))
        let columns = ending.evaluation.methods.map { id in
            answers.filter { $0.method == id && $0.item < asked.count }
        }
        let summary = EvaluationSummary(
            items: asked, plan: plan, answers: columns, baseline: baseline)
        try show(summary, asked.count, plan)
        try draw(summary, plan, columns)
        let stands = summary.methods.reduce(0) { $0 + $1.answered + $1.failed }
        if stands < asked.count * plan.methods.count {
            throw ExitCode(CommandExit.workLeft)
        }
        if summary.methods.contains(where: { $0.failed > 0 }) {
            throw ExitCode(CommandExit.failedJobs)
        }
    }

    private func evaluate(
        _ source: EvaluationSource, _ plan: EvaluationPlan, _ reference: ModelReference,
        _ queue: any QueueStore
    ) async throws -> Evaluator<LongVAEvaluationEngine>.Ending {
        _ = try device.loadTorch()
        let child = SamplerLaunch.start()
        let engine = try LongVAEvaluationEngine(
            sampler: child, cache: sampler.cache(isOff: analysis.run.noCache),
            decoding: sampler.decoding.choice, model: device.engine(),
            reference: reference)
        let progress = EvalProgress(isShown: !global.quiet)
        let stop = StopSignal()
        let signals = SignalWatch(stop)
        defer { signals.stop() }
        let evaluator = Evaluator(
            engine: engine, store: queue, items: source.items, plan: plan, limit: limit,
            observe: { progress.handle($0) })
        let spec = EvaluationSpec(
            name: name, manifest: URL(fileURLWithPath: manifest).standardizedFileURL.path,
            manifestSHA256: source.sha256, format: source.format.rawValue, model: reference.name,
            modelSHA256: reference.sha256)
        let result: Result<Evaluator<LongVAEvaluationEngine>.Ending, any Error>
        do {
            result = .success(try await evaluator.run(spec, fresh: fresh, stop: stop))
        } catch {
            result = .failure(error)
        }
        progress.end()
        if case .success(let ending) = result, ending.isForced { return ending }
        await child.shutDown()
        try? await queue.maintain()
        return try result.get()
    }

    private func show(
        _ summary: EvaluationSummary, _ items: Int, _ plan: EvaluationPlan
    ) throws {
        let tables = EvalTables(summary, items: items, plan: plan)
        if global.json {
            for line in summary.methods { try JSONLine.print(EvalLine(line)) }
            for line in summary.groups { try JSONLine.print(EvalLine(line)) }
        } else {
            print(tables.text(width: Terminal.width(of: 1)))
        }
        try write(
            tables.markdown(
                title: URL(fileURLWithPath: manifest).lastPathComponent,
                model: analysis.model ?? ModelReference.embeddedName), to: out)
    }

    private func draw(
        _ summary: EvaluationSummary, _ plan: EvaluationPlan, _ answers: [[EvaluationAnswer]]
    ) throws {
        let model =
            analysis.model.map { URL(fileURLWithPath: $0).lastPathComponent }
            ?? ModelReference.embeddedName
        try write(TradeoffFigure(summary, model: model).svg, to: plot)
        let ratios = zip(plan.methods, answers).compactMap { method, answers in
            LayerRatios(method: method.label, frames: method.frames, answers: answers)
        }
        try write(LayerFigure(ratios, model: model).svg, to: plotLayers)
    }

    /// - Parameter path: `nil` for what was not asked for
    private func write(_ text: @autoclosure () -> String, to path: String?) throws {
        guard let path else { return }
        do {
            try Data(text().utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw OutputError(description: "\(path): cannot be written: \(error)")
        }
    }
}

/// One row of either table.
private struct EvalLine<Row: Encodable>: Encodable {
    var row: Row

    init(_ row: Row) { self.row = row }

    private enum Key: String, CodingKey { case kind }

    func encode(to encoder: any Encoder) throws {
        try row.encode(to: encoder)
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(row is EvaluationSummary.Group ? "group" : "method", forKey: .kind)
    }
}

extension EvaluationFormat: ExpressibleByArgument {}

extension Sequence where Element: Hashable {
    fileprivate func uniqued() -> [Element] {
        var seen = Set<Element>()
        return filter { seen.insert($0).inserted }
    }
}
