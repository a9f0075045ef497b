import ArgumentParser
import Foundation
import Jobs
import Runner
import VideoFrames

struct AskCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ask", abstract: "Ask one question about one video, without a queue.")

    @OptionGroup(title: "Global options") var global: GlobalOptions
    @OptionGroup var analysis: AnalysisFlags
    @OptionGroup var sampler: SamplerOptions
    @OptionGroup var device: DeviceOptions

    @Argument(help: "The video.")
    var video: String

    @Option(help: ArgumentHelp("What to ask.", valueName: "text"))
    var question: String

    @Option(
        help: ArgumentHelp(
            "An option of a multiple choice question (repeatable).", valueName: "text"))
    var choice: [String] = []

    @Option(help: ArgumentHelp("The right answer, to be compared.", valueName: "text"))
    var expected: String?

    @Option(
        help: ArgumentHelp("Write the tensors of this answer.", valueName: "file.safetensors"))
    var trace: String?

    @Flag(help: "Write the frames as decoded into the trace, too.")
    var traceFull = false

    func validate() throws {
        if traceFull && trace == nil { throw ValidationError("--trace-full needs --trace") }
        try sampler.check(noCache: analysis.parameters.run.noCache)
        if question.isEmpty { throw ValidationError("--question: is empty") }
        if !choice.isEmpty, !(2...26).contains(choice.count) {
            throw ValidationError("\(choice.count) --choice, expected 2 to 26")
        }
    }

    func run() async throws {
        let options = try AnalysisOptions(analysis.request, on: device.kind)
        let model = try ModelReference(analysis.model)
        _ = try device.loadTorch()
        let child = SamplerLaunch.start()
        let engine = LongVAEngine(
            sampler: child, cache: sampler.cache(isOff: options.noCache),
            decoding: sampler.decoding.choice, model: device.engine())
        let showsProgress = Terminal.showsErrors && !global.quiet
        let answer = try await engine.ask(
            .init(
                text: question, choices: choice.isEmpty ? nil : choice, expected: expected),
            video: URL(fileURLWithPath: video).standardizedFileURL.path, options: options,
            model: model, trace: trace.map { .init(path: $0, isFull: traceFull) }
        ) { stage, fraction in
            if showsProgress { Terminal.write("\r\u{1B}[K\(stage) \(Int(fraction * 100))%") }
        }
        if showsProgress { Terminal.write("\r\u{1B}[K") }
        await child.shutDown()
        for warning in answer.warnings { Terminal.complain("warning: \(warning)") }
        if global.json {
            return try JSONLine.print(
                AnswerLine(answer, video: video, question: question, options: options))
        }
        print(answer.answer)
        if global.verbose { Terminal.complain(Self.figures(answer, options.sampling)) }
    }

    private static func figures(_ answer: Answer, _ sampling: SamplingMode) -> String {
        "\(answer.framesUsed) frames, sampling \(sampling.title), \(answer.promptTokens) prompt tokens; \(Figures.saved(answer)); "
            + "\(Figures.milliseconds(answer.totalMS)), peak \(answer.peakHostBytes >> 20) MiB"
    }
}
