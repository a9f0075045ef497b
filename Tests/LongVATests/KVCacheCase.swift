import SparsePrefill
import TestSupport
import Torch

@testable import LongVA

/// A tiny model that reads a sequence of tokens through one cache or another.
struct KVCacheCase {
    let model: LongVAModel
    /// Token ids; all but the first and last ten take the place of visual tokens.
    let prompt: [Int]
    /// Token ids that are fed while decoding.
    let fed: [Int]

    init(_ model: LongVAModel, prompt: Int = 260, fed: Int = 8) {
        self.model = model
        var generator = SplitMix64(seed: 9, stream: 0)
        let words = model.tokenizer.count
        self.prompt = (0..<prompt).map { _ in generator.number(below: words) }
        self.fed = (0..<fed).map { _ in generator.number(below: words) }
    }

    struct Run {
        /// Of every fed token, [vocabulary].
        var logits: [Tensor] = []
        /// After the prefill, then after every fed token.
        var bytes: [Int64] = []
        var peak: Int64 = 0
    }

    /// - Parameter change: of the cache's plan.
    func run(
        _ configuration: PrefillConfiguration, _ change: (inout KVCachePlan) -> Void = { _ in }
    ) throws -> Run {
        let decoder = model.decoder
        var plan = KVCachePlan(configuration, layerCount: decoder.configuration.layerCount)
        change(&plan)
        var cache = KVCache(room: fed.count, plan: plan)
        _ = try prefill(configuration, &cache)
        var run = Run(bytes: [cache.byteCount])
        for (index, token) in fed.enumerated() {
            run.logits.append(
                try decoder.decode(token, position: prompt.count + index, cache: &cache))
            run.bytes.append(cache.byteCount)
        }
        run.peak = cache.peakByteCount
        return run
    }

    func prefill(
        _ configuration: PrefillConfiguration, _ cache: inout KVCache
    ) throws -> [LayerReport] {
        let layout = PromptLayout(count: prompt.count, visual: 10..<prompt.count - 10)
        return try model.decoder.prefill(
            Qwen2Model.Prompt(embeddings: model.decoder.embed(prompt), layout: layout),
            plan: PrefillPlan(configuration), cache: &cache
        ).reports
    }
}

extension KVCacheCase.Run {
    /// |logits - the other's| / |the other's|, mean over the tokens.
    func error(against other: Self) throws -> Float {
        var sum: Float = 0
        for (a, b) in zip(logits, other.logits) {
            let (a, b): ([Float], [Float]) = (try a.values(), try b.values())
            let difference = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            sum += (difference / b.reduce(0) { $0 + $1 * $1 }).squareRoot()
        }
        return sum / Float(logits.count)
    }
}
