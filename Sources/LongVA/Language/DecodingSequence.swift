import Torch

/// One answer while its tokens are chosen.
package struct DecodingSequence {
    package private(set) var cache: KVCache
    /// Generated ids without the end token; the last one is what the next step reads.
    package private(set) var ids: [Int]
    /// Whether an end token came.
    package private(set) var ended = false
    /// Forward passes after the prefill.
    package private(set) var steps = 0
    package private(set) var failure: ModelError?
    /// Position of the first generated token.
    let position: Int
    let limit: Int

    /// - Parameters:
    ///   - cache: of the prompt, with room for `limit` tokens.
    ///   - first: what the prefill's logits chose.
    package init(
        cache: KVCache, first: Int, position: Int, limit: Int, endOfSequence: Set<Int>
    ) {
        self.cache = cache
        self.position = position
        self.limit = limit
        ids = []
        take(first, endOfSequence)
    }

    package var isDone: Bool { ended || failure != nil || ids.count >= limit }

    /// One step by plain operators.
    package mutating func step(
        by model: Qwen2Model, _ greedy: GreedyDecoding, endOfSequence: Set<Int>
    ) throws {
        guard let last = ids.last else { return }
        let logits = try model.decode(last, position: position + steps, cache: &cache)
        steps += 1
        take(try greedy.nextToken(logits.values(), generated: ids), endOfSequence)
    }

    /// A step's choice; the cache holds one entry more.
    mutating func step(_ token: Int, _ endOfSequence: Set<Int>) {
        steps += 1
        cache.advance(by: 1)
        if token < 0 {
            failure = ModelError(
                .numericalFailure,
                "the logit of token \(-1 - token) is no finite number: the model computed NaN or infinity"
            )
        } else {
            take(token, endOfSequence)
        }
    }

    private mutating func take(_ token: Int, _ endOfSequence: Set<Int>) {
        if endOfSequence.contains(token) { ended = true } else { ids.append(token) }
    }
}
