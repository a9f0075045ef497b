import SparsePrefill
import TestSupport
import Testing
import Torch

@testable import LongVA

/// Whole answers through the kernels of a decoding step, run by the emulator, against the plain path.
@Suite struct GraphDecoderTests {
    private static let vocabulary = 512
    private static let tokenCount = 500
    private static let penalty: Float = 1.1

    init() throws { try LoadedTorch.load() }

    private final class Source: TensorSource {
        private var made: UInt64 = 0

        func tensor(_ name: String, shape: [Int]) throws -> Tensor {
            made += 1
            if name.hasSuffix("norm.weight") {
                return try Tensor.random(shape, made) * 0.2 + Tensor.scalar(1)
            }
            // Far larger than what keeps its size: logits are to differ clearly.
            let scale = shape.count > 1 ? 4 / Float(shape[1]).squareRoot() : 0.5
            return try Tensor.random(shape, made) * scale
        }
    }

    private func model() throws -> Qwen2Model {
        var weights = Weights(Source(), device: .cpu, dtype: .bfloat16)
        weights.stacks = true
        return try Qwen2Model(
            weights,
            LongVAConfiguration(
                decoderLayers: 2, hiddenSize: 128, intermediateSize: 256, heads: 2,
                keyValueHeads: 1, vocabularySize: Self.vocabulary),
            embeddingRows: Self.vocabulary, headRows: Self.vocabulary)
    }

    private func sequence(_ model: Qwen2Model, tokens: Int, limit: Int) throws -> DecodingSequence {
        let plan = PrefillPlan(PrefillConfiguration(method: .full))
        var cache = KVCache(
            room: limit, plan: KVCachePlan(PrefillConfiguration(method: .full), layerCount: 2))
        let ids = (0..<tokens).map { ($0 * 37 + tokens) % Self.tokenCount }
        let prompt = Qwen2Model.Prompt(
            embeddings: try model.embed(ids),
            layout: PromptLayout(count: tokens, visual: 1..<tokens - 1))
        let (logits, _) = try model.prefill(prompt, plan: plan, cache: &cache)
        let greedy = GreedyDecoding(
            tokenCount: Self.tokenCount, repetitionPenalty: Self.penalty)
        return DecodingSequence(
            cache: cache, first: try greedy.nextToken(logits.values(), generated: []),
            position: tokens, limit: limit, endOfSequence: [])
    }

    private func decoder(_ model: Qwen2Model, sequences: Int) throws -> GraphDecoder {
        try GraphDecoder(
            model, #require(try DecodeWeights(model)), sequences: sequences,
            tokenCount: Self.tokenCount, repetitionPenalty: Self.penalty,
            target: DecodeTarget(emulatedMultiprocessors: 2), Emulator(), recorded: true)
    }

    private func decoded(
        _ model: Qwen2Model, _ prompts: [(tokens: Int, limit: Int)]
    ) throws -> [DecodingSequence] {
        var running = try prompts.map {
            try sequence(model, tokens: $0.tokens, limit: $0.limit)
        }
        try decoder(model, sequences: prompts.count).decode(&running, endOfSequence: [])
        return running
    }

    /// Every chosen token must be the plain path's own choice behind the same tokens, up to what bfloat16 tells
    /// apart.
    @Test(arguments: [1, 10])
    func choosesWhatThePlainPathWouldChoose(_ sequences: Int) throws {
        let model = try model()
        let results = try decoded(
            model, (0..<sequences).map { (tokens: 20 + 7 * $0, limit: 9) })
        for (index, result) in results.enumerated() {
            #expect(result.ids.count == 9)
            #expect(result.steps == 8)
            var plain = try sequence(model, tokens: 20 + 7 * index, limit: 9)
            #expect(plain.ids[0] == result.ids[0])
            var cache = plain.cache
            for step in 0..<8 {
                var logits: [Float] = try model.decode(
                    result.ids[step], position: plain.position + step, cache: &cache
                ).values()
                logits = Array(logits.prefix(Self.tokenCount))
                for token in Set(result.ids[...step]) {
                    logits[token] *= logits[token] > 0 ? 1 / Self.penalty : Self.penalty
                }
                let most = logits.max() ?? 0
                #expect(
                    logits[result.ids[step + 1]] >= most - abs(most) / 32, "\(index), \(step)")
            }
            #expect(cache.byteCount == result.cache.byteCount)
            plain = result
        }
    }

    @Test func anAnswerDoesNotDependOnTheOthers() throws {
        let model = try model()
        let prompts = [(tokens: 30, limit: 7), (tokens: 9, limit: 3), (tokens: 77, limit: 7)]
        let together = try decoded(model, prompts)
        for (prompt, result) in zip(prompts, together) {
            #expect(try decoded(model, [prompt])[0].ids == result.ids)
            #expect(result.ids.count == prompt.limit)
        }
    }

    @Test func anEndTokenEndsOnlyItsOwnAnswer() throws {
        let model = try model()
        let whole = try decoded(model, [(tokens: 30, limit: 7), (tokens: 9, limit: 7)])
        let end = whole[0].ids[3]
        let first = whole[0].ids.firstIndex(of: end) ?? 3
        var running = try [30, 9].map { try sequence(model, tokens: $0, limit: 7) }
        try decoder(model, sequences: 2).decode(&running, endOfSequence: [end])
        #expect(running[0].ids == Array(whole[0].ids[..<first]) || first == 0)
        #expect(running[0].ended || first == 0)
        let other = whole[1].ids.dropFirst().firstIndex(of: end) ?? 7
        #expect(running[1].ids == Array(whole[1].ids[..<other]))
    }
}
