import ArgumentParser
import EmbeddedModel
import LongVA
import SparsePrefill
import Torch

/// From raw frames to an answer on a random model: every stage, and the time to the first token. Methods and weights
/// are interleaved.
struct EndToEndBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "endtoend",
        abstract: "Raw frames to answer on a random model, with the time to the first token.")

    @OptionGroup var machine: BenchMachine

    @Option(help: "longva-7b or tiny.")
    var shape: String = "longva-7b"

    @Flag(help: "Weights from the seed: the only ones that this command has.")
    var random = false

    @Option(help: "Folder with the tokenizer's files; the embedded model's when not given.")
    var tokenizer: String?

    @Option(help: "Numbers of random frames, separated by commas.")
    var frames: String = "64,128"

    @Option(help: "Frames to use instead: RGB bytes of the model's size, one after the other.")
    var framesFile: String?

    @Option(help: "full, zipvl, fastv and so on, separated by commas.")
    var methods: String = "full,zipvl"

    @Option(help: "Attention threshold of zipvl.")
    var tau: Double = 0.975

    @Option(help: "Share of the tokens that zipvl keeps, by a fixed ratio in its place.")
    var ratio: Double?

    @Option(help: "as-is, fp8, separated by commas.")
    var weights: String = "as-is"

    @Option(
        help: "zipvl rounds the number of kept tokens up to a multiple. (default: 1; 256 on a GPU)")
    var selectBucket: Int?

    @Option(help: "Longest answer in tokens.")
    var maxNewTokens: Int = 32

    @Option(help: "Measured runs, after one to warm up.")
    var runs: Int = 3

    private struct Line: Encodable {
        let benchmark = "endtoend"
        let shape: String
        let device: String
        let device_name: String
        let torch: String
        let weights: String
        let method: String
        let frames: Int
        let prompt_tokens: Int
        let output_tokens: Int
        let runs: Int
        let vision_ms_median: Double
        let prefill_ms_median: Double
        let generate_ms_median: Double
        /// Frames in memory to the first token's logits.
        let first_token_ms_median: Double
        let total_ms_median: Double
        let ms_per_token: Double?
        let kept_token_ratio_mean: Double?
        let ratio_to_first: Double
    }

    private struct Run {
        let name: String
        let configuration: PrefillConfiguration
        let model: Int
        var times = StageTimes()
        var first = Measurement()
        var answer: GeneratedAnswer?
    }

    func run() throws {
        guard let shape = ModelShape.named(shape) else {
            throw ValidationError("--shape: \(shape) is not a known shape")
        }
        guard runs > 0, maxNewTokens > 0 else {
            throw ValidationError("--runs and --max-new-tokens must be positive")
        }
        let known = PrefillMethod.allCases.map(\.rawValue).joined(separator: ", ")
        let methods = try list(
            methods, "--methods", "names out of \(known)", PrefillMethod.init(rawValue:))
        let formats = try list(
            weights, "--weights", "as-is and fp8", WeightFormat.init(rawValue:))
        let counts = try list(frames, "--frames", "positive numbers") {
            Int($0).flatMap { $0 > 0 ? $0 : nil }
        }
        let machine = try machine.load()
        let directory = try tokenizer ?? EmbeddedModel.directory()
        let models = try formats.map { format in
            let source = RandomWeights(
                seed: machine.seed, on: machine.place, machine.dtype,
                layers: shape.configuration.layerCount)
            return try LongVAModel(
                machine.weights(source, format), shape.layout, tokenizerDirectory: directory)
        }
        // Random weights may pick an end token at any step: here every answer has the same length.
        for model in models { model.generation.endOfSequence = [] }
        let bucket = selectBucket ?? (machine.isCPU ? 1 : 256)
        let lines = formats.indices.flatMap { index in
            methods.map { method in
                var configuration = PrefillConfiguration(
                    method: method, tau: tau, seed: machine.seed, selectBucket: bucket)
                if method == .zipvl, let ratio {
                    configuration = PrefillConfiguration(
                        method: .fixed, tau: tau, seed: machine.seed, selectBucket: bucket)
                    configuration.ratio = ratio
                }
                return Run(
                    name: method.rawValue, configuration: configuration, model: index)
            }
        }
        func measure(_ frames: FrameBatch) throws {
            var lines = lines
            for run in 0...runs {
                for (index, line) in lines.enumerated() {
                    let answer = try models[line.model].answer(
                        AnswerRequest(
                            question: "What happens in the video?", maxNewTokens: maxNewTokens,
                            prefill: line.configuration), frames: frames)
                    lines[index].answer = answer
                    guard run > 0 else { continue }
                    lines[index].times.add(answer)
                    lines[index].first.add(answer.visionMS + answer.prefillMS)
                }
            }
            for line in lines {
                guard let answer = line.answer else { continue }
                let steps = answer.outputTokens - 1
                try printLine(
                    Line(
                        shape: shape.name, device: machine.place.description,
                        device_name: machine.deviceName, torch: machine.torch,
                        weights: formats[line.model].rawValue,
                        method: line.configuration.method == .fixed && line.name != "fixed"
                            ? "\(line.name):fixed" : line.name,
                        frames: frames.count, prompt_tokens: answer.promptTokens,
                        output_tokens: answer.outputTokens, runs: runs,
                        vision_ms_median: line.times.vision.median,
                        prefill_ms_median: line.times.prefill.median,
                        generate_ms_median: line.times.generate.median,
                        first_token_ms_median: line.first.median,
                        total_ms_median: line.times.total.median,
                        ms_per_token: steps > 0
                            ? line.times.generate.median / Double(steps) : nil,
                        kept_token_ratio_mean: answer.keptTokenRatioMean,
                        ratio_to_first: line.times.total.median / lines[0].times.total.median))
            }
        }
        let side = shape.vision.imageSize
        if let framesFile { return try measure(FrameBatch(rawRGB: framesFile, side: side)) }
        for count in counts { try measure(.random(count, side: side, seed: machine.seed)) }
    }
}
