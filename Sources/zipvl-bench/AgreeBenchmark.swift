import ArgumentParser
import EmbeddedModel
import FoundationEssentials
import LongVA
import SparsePrefill
import Torch

/// The same jobs on the CPU and on a device: the same kept tokens, the same greedy answers. Ends with an error when
/// float32 differs; what bfloat16 makes of the jobs is told beside it.
struct AgreeBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agree",
        abstract: "Kept tokens and answers of a device against those of the CPU.")

    @OptionGroup var machine: BenchMachine

    @Option(help: "Model directory; the embedded model when not given.")
    var model: String?

    @Option(help: "Random weights of this shape in its place: longva-7b or tiny.")
    var shape: String?

    @Option(help: "Frames of made-up clips, separated by commas. (default: 16,64)")
    var frames: String?

    @Option(help: "Frames to use instead: RGB bytes of the model's size, one after the other.")
    var framesFile: String?

    @Option(help: "Clips of each number of frames.")
    var clips: Int = 2

    @Option(help: "Questions, of which every clip is asked this many.")
    var questions: Int = 3

    @Option(
        help:
            "Out of \(AgreeMethod.all.map(\.name).joined(separator: ", ")), separated by commas."
    )
    var methods: String = "full,zipvl,zipvl-0.9,fixed,fastv,zipvl-mixed,minference"

    @Option(help: "Numbers of kept tokens are rounded up to a multiple, separated by commas.")
    var selectBuckets: String = "1,64"

    @Option(help: "as-is or fp8.")
    var weights: WeightFormat = .asIs

    @Option(help: "Longest answer in tokens.")
    var maxNewTokens: Int = 24

    @Flag(inversion: .prefixedNo, help: "Tell what bfloat16 on the device makes of the jobs.")
    var bfloat16 = true

    private static let allQuestions = [
        "What happens in the video?", "How many objects are there?",
        "In which direction does the largest object move?", "Which colour appears last?",
        "Describe the background.",
    ]

    private struct Line: Encodable {
        let benchmark = "agree"
        let device: String
        let device_name: String
        let dtype: String
        let weights: String
        let method: String
        let select_bucket: Int
        let frames: Int
        let clip: Int
        let question: Int
        let prompt_tokens: Int
        let output_tokens: Int
        let kept_in_common: Double?
        let kept_in_common_least: Double?
        let same_ids: Bool
        let first_logit_difference: Double
        let first_logit_relative_error: Double
        /// Whether a difference ends the run with an error.
        let asserted: Bool
        let passed: Bool
    }

    private struct Subject {
        let model: LongVAModel
        let dtype: ModelOptions.DTypeChoice
    }

    func validate() throws {
        guard clips > 0, maxNewTokens > 0 else {
            throw ValidationError("--clips and --max-new-tokens must be positive")
        }
        guard (1...Self.allQuestions.count).contains(questions) else {
            throw ValidationError("--questions: expected 1 to \(Self.allQuestions.count)")
        }
        guard model == nil || shape == nil else {
            throw ValidationError("--shape makes random weights: it does not go with --model")
        }
        guard frames == nil || framesFile == nil else {
            throw ValidationError(
                "--frames counts made-up frames: it does not go with --frames-file")
        }
    }

    func run() throws {
        let known = AgreeMethod.all.map(\.name).joined(separator: ", ")
        let methods = try list(methods, "--methods", "names out of \(known)", AgreeMethod.named)
        func positive(_ text: String) -> Int? { Int(text).flatMap { $0 > 0 ? $0 : nil } }
        let buckets = try list(selectBuckets, "--select-buckets", "positive numbers", positive)
        let counts = try list(frames ?? "16,64", "--frames", "positive numbers", positive)
        let machine = try machine.load()
        let reference = try load(on: .cpu, .float32, seed: machine.seed)
        var subjects = [
            Subject(
                model: try load(on: machine.place, .float32, seed: machine.seed), dtype: .float32)
        ]
        if bfloat16 {
            subjects.append(
                Subject(
                    model: try load(on: machine.place, .bfloat16, seed: machine.seed),
                    dtype: .bfloat16))
        }
        let side = reference.imageSide
        var failures: [String] = []
        func compare(_ frames: FrameBatch, clip: Int) throws {
            try self.compare(
                frames, clip: clip, methods, buckets, reference, subjects, machine, &failures)
        }
        if let framesFile {
            try compare(FrameBatch(rawRGB: framesFile, side: side), clip: 0)
        } else {
            for count in counts {
                for clip in 0..<clips {
                    let seed = machine.seed &+ UInt64(clip)
                    try compare(.moving(count, side: side, seed: seed), clip: clip)
                }
            }
        }
        guard failures.isEmpty else {
            throw CheckFailed("\(machine.place) differs: \(failures.joined(separator: "; "))")
        }
    }

    private func compare(
        _ frames: FrameBatch, clip: Int, _ methods: [AgreeMethod], _ buckets: [Int],
        _ reference: LongVAModel, _ subjects: [Subject], _ machine: LoadedMachine,
        _ failures: inout [String]
    ) throws {
        let layout = reference.layout.configuration
        func encode(_ model: LongVAModel) throws -> EncodedVideo {
            try model.encode(frames, classAttention: methods.contains { $0.name == "hired" })
        }
        let expectedVideo = try encode(reference)
        let videos = try subjects.map { try encode($0.model) }
        let trace = FileManager.default.temporaryDirectory
            .appending(path: "zipvl-agree-\(UUID().uuidString).safetensors").path
        for (method, question) in methods.flatMap({ method in
            (0..<questions).map { (method, $0) }
        }) {
            for bucket in method.usesBucket ? buckets : [1] {
                let request = AnswerRequest(
                    question: Self.allQuestions[question], maxNewTokens: maxNewTokens,
                    prefill: method.configuration(
                        bucket: bucket, layers: layout.layerCount, heads: layout.heads,
                        seed: machine.seed))
                let expected = try AgreeOutcome(reference, expectedVideo, request, trace: trace)
                for (subject, video) in zip(subjects, videos) {
                    let outcome = try AgreeOutcome(subject.model, video, request, trace: trace)
                    let comparison = AgreeComparison(outcome, expected)
                    let isAsserted = subject.dtype == .float32
                    try printLine(
                        Line(
                            device: machine.place.description, device_name: machine.deviceName,
                            dtype: subject.dtype.rawValue, weights: weights.rawValue,
                            method: method.name, select_bucket: bucket, frames: frames.count,
                            clip: clip, question: question,
                            prompt_tokens: expected.promptTokens,
                            output_tokens: expected.ids.count,
                            kept_in_common: comparison.keptInCommon,
                            kept_in_common_least: comparison.leastKeptInCommon,
                            same_ids: comparison.sameIDs,
                            first_logit_difference: comparison.largestLogitDifference,
                            first_logit_relative_error: comparison.relativeLogitError,
                            asserted: isAsserted, passed: comparison.holds))
                    if isAsserted, !comparison.holds {
                        failures.append(
                            "\(method.name) of \(frames.count) frames, clip \(clip), "
                                + "question \(question), bucket \(bucket)")
                    }
                }
            }
        }
    }

    private func load(
        on place: Device, _ dtype: ModelOptions.DTypeChoice, seed: UInt64
    ) throws -> LongVAModel {
        let model =
            try shape.map { try random($0, on: place, dtype, seed: seed) }
            ?? trained(on: place, dtype)
        // An answer that ends at once would compare nothing.
        model.generation.endOfSequence = []
        return model
    }

    private func trained(
        on place: Device, _ dtype: ModelOptions.DTypeChoice
    ) throws -> LongVAModel {
        try LongVAModel(
            ModelOptions(
                directory: model ?? EmbeddedModel.directory(), device: place.description,
                dtype: dtype, weights: weights == .fp8 ? .fp8 : .asIs))
    }

    private func random(
        _ name: String, on place: Device, _ dtype: ModelOptions.DTypeChoice, seed: UInt64
    ) throws -> LongVAModel {
        guard let shape = ModelShape.named(name) else {
            throw ValidationError("--shape: \(name) is not a known shape")
        }
        let dtype = ModelOptions.resolve(dtype, on: place)
        let source = RandomWeights(
            seed: seed, on: place, dtype, layers: shape.configuration.layerCount)
        return try LongVAModel(
            Weights(
                source, device: place, dtype: dtype, format: weights == .fp8 ? .e4m3 : .asIs),
            shape.layout, tokenizerDirectory: EmbeddedModel.directory())
    }
}
