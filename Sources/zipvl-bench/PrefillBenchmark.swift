import ArgumentParser
import LongVA
import SparsePrefill
import Torch

/// Prefill of a decoder with random weights, every method on the same prompt, interleaved so that all
/// meet the same disturbances. `ratio_to_full` compares medians of this run.
///
/// Attention of random weights is nearly even, so tau is searched until zipvl keeps the wanted share of
/// 2,048 tokens (what it keeps of longer prompts is printed): what is compared is the work, not what it
/// is worth.
struct PrefillBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prefill",
        abstract: "Prefill of a random decoder by method: times, work and peak memory.")

    @Option(help: "Methods, separated by commas, or all.")
    var methods: String = "all"

    @Option(help: "Prompt lengths in tokens, separated by commas.")
    var tokens: String = "4096,9216,18432"

    @Option(help: "Measured runs of each method, after one to warm up on the shortest prompt.")
    var runs: Int = 3

    @Option(help: "Share of the tokens that zipvl, fixed and hired keep.")
    var ratio: Double = 0.42

    @Option(help: "Layers of the decoder.")
    var layers: Int = 8

    @Option(help: "Hidden size.")
    var hidden: Int = 1024

    @Option(help: "Width of the feed-forward layer.")
    var feedForward: Int = 2816

    @Option(help: "Query heads.")
    var heads: Int = 16

    @Option(help: "Key/value heads.")
    var keyValueHeads: Int = 4

    @Option(help: "cpu or cuda:N.")
    var device: String = "cpu"

    @Option(help: "Folder of libtorch or of the Python package torch.")
    var torch: String?

    @Option(help: "Seed of weights and prompt.")
    var seed: UInt64 = 0

    func validate() throws {
        guard runs > 0 else { throw ValidationError("--runs must be positive, not \(runs)") }
        guard layers > 0, hidden > 0, feedForward > 0 else {
            throw ValidationError("--layers, --hidden and --feed-forward must be positive")
        }
        guard ratio > 0, ratio < 1 else {
            throw ValidationError("--ratio must be in (0, 1), not \(ratio)")
        }
        guard heads > 0, keyValueHeads > 0, heads % keyValueHeads == 0, hidden % (2 * heads) == 0
        else {
            throw ValidationError(
                "\(heads) heads over \(keyValueHeads) key/value heads do not divide \(hidden)")
        }
        _ = try lengths()
        _ = try chosenMethods()
    }

    func run() throws {
        let library = try TorchLibrary.load(explicit: torch)
        if device != "cpu" { try library.loadCUDA() }
        guard let place = Device(device) else {
            throw ValidationError("--device \(device): expected cpu or cuda:N")
        }
        TorchLibrary.disableGradients()
        let dtype = ModelOptions.resolve(.auto, on: place)
        let decoder = try Qwen2Model(
            Weights(RandomWeights(seed: seed), device: place, dtype: dtype),
            LongVAConfiguration(
                decoderLayers: layers, hiddenSize: hidden, intermediateSize: feedForward,
                heads: heads, keyValueHeads: keyValueHeads, vocabularySize: 512),
            embeddingRows: 512, headRows: 512)
        let bench = DecoderRun(decoder: decoder, hidden: hidden, seed: seed)
        let methods = try chosenMethods()
        let tau = methods.contains(.zipvl) ? try bench.tau(keeping: ratio) : 1
        let lengths = try lengths()
        let shortest = lengths.min() ?? 0
        for plan in bench.plans(methods, tokens: shortest, ratio: ratio, tau: tau) {
            _ = try bench.measure(plan, tokens: shortest)
        }
        for n in lengths {
            let plans = bench.plans(methods, tokens: n, ratio: ratio, tau: tau)
            var times = [Measurement](repeating: Measurement(), count: plans.count)
            var results: [DecoderRun.Result] = []
            for run in 0..<runs {
                for (index, plan) in plans.enumerated() {
                    let result = try bench.measure(plan, tokens: n)
                    times[index].add(result.milliseconds)
                    if run == 0 { results.append(result) }
                }
            }
            guard let full = plans.firstIndex(where: { $0.name == "full" }) else { continue }
            for (index, plan) in plans.enumerated() {
                try printLine(
                    DecoderLine(
                        plan, results[index], times[index], full: times[full],
                        fullPeak: results[full].peakBytes, tokens: n, device: device,
                        torch: library.version))
            }
        }
    }

    private func lengths() throws -> [Int] {
        try tokens.split(separator: ",").map {
            guard let count = Int($0), count >= 256 else {
                throw ValidationError("--tokens takes numbers from 256 on, not \"\($0)\"")
            }
            return count
        }
    }

    /// Full comes first, whatever is asked for: it is what the others are measured by.
    private func chosenMethods() throws -> [PrefillMethod] {
        if methods == "all" { return PrefillMethod.allCases }
        let named = try methods.split(separator: ",").map { name in
            guard let method = PrefillMethod(rawValue: String(name)) else {
                let known = PrefillMethod.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("--methods: \(name) is none of \(known)")
            }
            return method
        }
        return [.full] + named.filter { $0 != .full }
    }
}
