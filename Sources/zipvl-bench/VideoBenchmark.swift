import ArgumentParser
import EmbeddedModel
import LongVA
import SparsePrefill
import Torch

/// Vision and prefill time of a model by method and number of frames, interleaved so that every
/// method meets the same disturbances; `ratio_to_full` compares medians of this run.
struct VideoBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "video",
        abstract: "Vision and prefill times of a model on random frames, full as the peer.")

    @Option(help: "Model directory; the embedded model when not given.")
    var model: String?

    @Option(help: "Frames per prompt, separated by commas.")
    var frames: String = "64,128"

    @Option(help: "Measured runs of each method, after one to warm up.")
    var runs: Int = 5

    @Option(help: "Attention threshold of zipvl, separated by commas.")
    var tau: String = "0.975"

    @Option(help: "cpu or cuda:N.")
    var device: String = "cpu"

    @Option(help: "Folder of libtorch or of the Python package torch.")
    var torch: String?

    @Option(help: "Seed of the random frames.")
    var seed: UInt64 = 0

    func validate() throws {
        guard runs > 0 else { throw ValidationError("--runs must be positive, not \(runs)") }
        _ = try counts()
        _ = try thresholds()
    }

    func run() throws {
        let library = try TorchLibrary.load(explicit: torch)
        if device != "cpu" { try library.loadCUDA() }
        let directory = try model ?? EmbeddedModel.directory()
        let model = try LongVAModel(ModelOptions(directory: directory, device: device))
        for count in try counts() {
            try measure(model, frames: randomFrames(count, side: model.imageSide), library)
        }
    }

    private struct Line: Encodable {
        let benchmark = "video"
        let device: String
        let dtype: String
        let frames: Int
        let kept_token_ratio_mean: Double?
        let method: String
        let prefill_ms_max: Double
        let prefill_ms_median: Double
        let prefill_ms_min: Double
        let prompt_tokens: Int
        let ratio_to_full: Double
        let runs: Int
        let tau: Double?
        let torch: String
        let vision_ms_median: Double
        let attn_flops_saved_pct: Double
        let llm_flops_saved_pct: Double
    }

    private func measure(
        _ model: LongVAModel, frames: FrameBatch, _ library: TorchLibrary
    ) throws {
        let methods =
            try [PrefillConfiguration(method: .full)]
            + thresholds().map { PrefillConfiguration(method: .zipvl, tau: $0) }
        var prefill = [Measurement](repeating: Measurement(), count: methods.count)
        var vision = prefill
        var last: [GeneratedAnswer?] = Array(repeating: nil, count: methods.count)
        for run in 0...runs {
            for (index, method) in methods.enumerated() {
                let request = AnswerRequest(
                    question: "What does the video show?", maxNewTokens: 1, prefill: method)
                let answer = try model.answer(request, frames: frames)
                last[index] = answer
                if run > 0 {
                    prefill[index].add(answer.prefillMS)
                    vision[index].add(answer.visionMS)
                }
            }
        }
        for (index, method) in methods.enumerated() {
            guard let answer = last[index] else { continue }
            try printLine(
                Line(
                    device: device, dtype: model.resolvedDType, frames: frames.count,
                    kept_token_ratio_mean: answer.keptTokenRatioMean,
                    method: method.method.rawValue,
                    prefill_ms_max: prefill[index].most, prefill_ms_median: prefill[index].median,
                    prefill_ms_min: prefill[index].least, prompt_tokens: answer.promptTokens,
                    ratio_to_full: prefill[index].median / prefill[0].median, runs: runs,
                    tau: method.method == .zipvl ? method.tau : nil, torch: library.version,
                    vision_ms_median: vision[index].median,
                    attn_flops_saved_pct: 100 * (1 - answer.attnFLOPsUsed / answer.attnFLOPsDense),
                    llm_flops_saved_pct: 100 * (1 - answer.llmFLOPsUsed / answer.llmFLOPsDense)))
        }
    }

    private func randomFrames(_ count: Int, side: Int) -> FrameBatch {
        var generator = SplitMix64(seed: seed, stream: 0)
        let pixels = (0..<count * side * side * 3).map { _ in
            UInt8(truncatingIfNeeded: generator.next())
        }
        return FrameBatch(pixels: pixels, count: count, side: side)
    }

    private func counts() throws -> [Int] {
        try frames.split(separator: ",").map {
            guard let count = Int($0), count > 0 else {
                throw ValidationError("--frames takes positive numbers, not \"\($0)\"")
            }
            return count
        }
    }

    private func thresholds() throws -> [Double] {
        try tau.split(separator: ",").map {
            guard let value = Double($0), value > 0, value <= 1 else {
                throw ValidationError("--tau takes numbers in (0, 1], not \"\($0)\"")
            }
            return value
        }
    }
}
