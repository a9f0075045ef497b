import ArgumentParser
import EmbeddedModel
import LongVA
import SparsePrefill
import Torch

/// Time of each stage of an answer by method and number of frames, interleaved so that every method
/// meets the same disturbances; `ratio_to_full` compares medians of this run.
struct VideoBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "video",
        abstract: "Times of a model's stages on random or given frames, full as the peer.")

    @Option(help: "Model directory; the embedded model when not given.")
    var model: String?

    @Option(help: "Random frames per prompt, separated by commas. (default: 64,128)")
    var frames: String?

    @Option(help: "Frames to use instead: RGB bytes of the model's size, one after the other.")
    var framesFile: String?

    @Option(help: "What is asked.")
    var question: String = "What does the video show?"

    @Option(help: "Longest answer in tokens; 1 needs no step after the prefill.")
    var maxNewTokens: Int = 1

    @Option(help: "Measured runs of each method, after one to warm up.")
    var runs: Int = 5

    @Option(help: "Attention threshold of zipvl, separated by commas; empty measures full alone.")
    var tau: String = "0.975"

    @Option(help: "cpu or cuda:N.")
    var device: String = "cpu"

    @Option(help: "Folder of libtorch or of the Python package torch.")
    var torch: String?

    @Option(help: "Seed of the random frames.")
    var seed: UInt64 = 0

    func validate() throws {
        guard runs > 0 else { throw ValidationError("--runs must be positive, not \(runs)") }
        guard maxNewTokens > 0 else {
            throw ValidationError("--max-new-tokens must be positive, not \(maxNewTokens)")
        }
        guard frames == nil || framesFile == nil else {
            throw ValidationError(
                "--frames counts random frames: it does not go with --frames-file")
        }
        _ = try counts()
        _ = try thresholds()
    }

    func run() throws {
        let library = try TorchLibrary.load(explicit: torch)
        if device != "cpu" { try library.loadCUDA() }
        let directory = try model ?? EmbeddedModel.directory()
        let model = try LongVAModel(ModelOptions(directory: directory, device: device))
        if let framesFile {
            let frames = try FrameBatch(rawRGB: framesFile, side: model.imageSide)
            return try measure(model, frames: frames, library)
        }
        for count in try counts() {
            try measure(
                model, frames: .random(count, side: model.imageSide, seed: seed), library)
        }
    }

    private func measure(
        _ model: LongVAModel, frames: FrameBatch, _ library: TorchLibrary
    ) throws {
        let methods =
            try [PrefillConfiguration(method: .full)]
            + thresholds().map { PrefillConfiguration(method: .zipvl, tau: $0) }
        var times = [StageTimes](repeating: StageTimes(), count: methods.count)
        var last: [GeneratedAnswer?] = Array(repeating: nil, count: methods.count)
        for run in 0...runs {
            for (index, method) in methods.enumerated() {
                let request = AnswerRequest(
                    question: question, maxNewTokens: maxNewTokens, prefill: method)
                let answer = try model.answer(request, frames: frames)
                last[index] = answer
                if run > 0 { times[index].add(answer) }
            }
        }
        for (index, method) in methods.enumerated() {
            guard let answer = last[index] else { continue }
            try printLine(
                VideoLine(
                    method, answer, times[index], full: times[0], frames: frames.count, model,
                    device: device, torch: library.version))
        }
    }

    private func counts() throws -> [Int] {
        try (frames ?? "64,128").split(separator: ",").map {
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
