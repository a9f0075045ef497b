import ArgumentParser
import EmbeddedModel
import LongVA
import SparsePrefill
import Torch

/// Many answers of mixed lengths, methods and caches one after the other: what the device has free must not shrink, and
/// no tensor may outlive its answer.
struct SoakBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "soak",
        abstract: "Jobs of mixed lengths on a random model; memory must stay flat.")

    @OptionGroup var machine: BenchMachine

    @Option(help: "longva-7b or tiny.")
    var shape: String = "longva-7b"

    @Flag(help: "Weights from the seed: the only ones that this command has.")
    var random = false

    @Option(help: "Folder with the tokenizer's files; the embedded model's when not given.")
    var tokenizer: String?

    @Option(help: "Answers in all; the first fifth warms up.")
    var jobs: Int = 200

    @Option(help: "Frames of the longest job.")
    var frames: Int = 128

    @Option(help: "Longest answer in tokens.")
    var maxNewTokens: Int = 16

    @Option(help: "as-is or fp8.")
    var weights: String = "as-is"

    @Option(help: "MiB that may be taken after the warm-up.")
    var tolerance: Int = 256

    private struct Line: Encodable {
        let benchmark = "soak"
        let job: Int
        let frames: Int
        let prompt_tokens: Int
        let method: String
        let kv: String
        let milliseconds: Double
        /// Free on the device; on the CPU what the process does not hold of its largest size.
        let free_mib: Int
        let live_tensors: Int
    }

    private struct Summary: Encodable {
        let benchmark = "soak summary"
        let shape: String
        let device_name: String
        let torch: String
        let jobs: Int
        /// Least free after the warm-up's jobs, and after the others'.
        let free_mib_after_warmup: Int
        let free_mib_at_end: Int
        let taken_mib: Int
        let live_tensors_after_warmup: Int
        let live_tensors_at_end: Int
        let passed: Bool
    }

    func validate() throws {
        guard jobs > Self.choices.count, frames > 0, maxNewTokens > 0 else {
            throw ValidationError(
                "--jobs from \(Self.choices.count + 1) on, --frames and --max-new-tokens positive")
        }
    }

    func run() throws {
        guard let shape = ModelShape.named(shape) else {
            throw ValidationError("--shape: \(shape) is not a known shape")
        }
        guard let format = WeightFormat(rawValue: weights) else {
            throw ValidationError("--weights takes as-is or fp8, not \"\(weights)\"")
        }
        let machine = try machine.load()
        let source = RandomWeights(
            seed: machine.seed, on: machine.place, machine.dtype,
            layers: shape.configuration.layerCount)
        let model = try LongVAModel(
            machine.weights(source, format), shape.layout,
            tokenizerDirectory: tokenizer ?? EmbeddedModel.directory())
        model.generation.endOfSequence = []
        let all = FrameBatch.random(frames, side: shape.vision.imageSize, seed: machine.seed)
        var generator = SplitMix64(seed: machine.seed, stream: 1)
        let warmUp = max(jobs / 5, Self.choices.count)
        var (freeEarly, freeLate) = (Int.max, Int.max)
        var (liveEarly, liveLate) = (0, 0)
        for job in 0..<jobs {
            let request = request(job, &generator, machine)
            let count = count(job, &generator)
            let batch = FrameBatch(
                pixels: Array(all.pixels.prefix(count * all.side * all.side * 3)), count: count,
                side: all.side)
            let start = ContinuousClock.now
            let answer = try model.answer(request, frames: batch)
            let milliseconds = (ContinuousClock.now - start) / .milliseconds(1)
            let free = try free(machine)
            let live = Tensor.liveOnThisThread
            if job < warmUp {
                freeEarly = min(freeEarly, free)
                liveEarly = max(liveEarly, live)
            } else {
                freeLate = min(freeLate, free)
                liveLate = live
            }
            try printLine(
                Line(
                    job: job, frames: count, prompt_tokens: answer.promptTokens,
                    method: request.prefill.method.rawValue, kv: request.prefill.kv.rawValue,
                    milliseconds: milliseconds, free_mib: free >> 20, live_tensors: live))
        }
        let taken = (freeEarly - freeLate) >> 20
        let passed = taken <= tolerance && liveLate <= liveEarly
        try printLine(
            Summary(
                shape: shape.name, device_name: machine.deviceName, torch: machine.torch,
                jobs: jobs, free_mib_after_warmup: freeEarly >> 20, free_mib_at_end: freeLate >> 20,
                taken_mib: taken, live_tensors_after_warmup: liveEarly,
                live_tensors_at_end: liveLate, passed: passed))
        guard passed else {
            throw CheckFailed(
                "after the warm-up \(taken) MiB were taken and \(liveLate - liveEarly) tensors kept"
            )
        }
    }

    /// The first jobs are the longest ones, by every method: what comes later fits into what they took.
    private func count(_ job: Int, _ generator: inout SplitMix64) -> Int {
        let drawn = 1 + generator.number(below: frames)
        return job < Self.choices.count ? frames : drawn
    }

    private static let choices: [(method: PrefillMethod, kv: KVRetention)] = [
        (.full, .full), (.zipvl, .discard), (.zipvl, .mixed), (.zipvl, .full),
        (.fixed, .discard), (.fastv, .full), (.minference, .full), (.full, .zipcache),
    ]

    private func request(
        _ job: Int, _ generator: inout SplitMix64, _ machine: LoadedMachine
    ) -> AnswerRequest {
        let drawn = generator.number(below: Self.choices.count)
        let choice = Self.choices[job < Self.choices.count ? job : drawn]
        let words = 1 + generator.number(below: 60)
        let tokens = 1 + generator.number(below: maxNewTokens)
        let configuration = PrefillConfiguration(
            method: choice.method, seed: machine.seed, kv: choice.kv,
            selectBucket: machine.isCPU ? 1 : 256)
        return AnswerRequest(
            question: (0..<words).map { "word \($0)" }.joined(separator: " ") + "?",
            maxNewTokens: tokens, prefill: configuration)
    }

    private func free(_ machine: LoadedMachine) throws -> Int {
        if let gpu = machine.gpu { return try gpu.freeMemory() }
        return (1 << 40) - (ResidentMemory.now() ?? 0)
    }
}
