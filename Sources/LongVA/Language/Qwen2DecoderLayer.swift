import SparsePrefill
import Torch

/// One Qwen2 layer: grouped-query attention with qkv bias, then SwiGLU, both behind an RMS norm.
package struct Qwen2DecoderLayer {
    private let heads: Int
    private let keyValueHeads: Int
    private let headWidth: Int
    private let inputNorm: RMSNorm
    private let postAttentionNorm: RMSNorm
    private let query: Linear
    private let key: Linear
    private let value: Linear
    private let output: Linear
    private let gate: Linear
    private let up: Linear
    private let down: Linear

    /// The feed-forward layer runs on this many rows at a time: its three intermediates at 128 frames
    /// would otherwise be the largest tensors of the whole prefill.
    private static let feedForwardRows = 2048

    init(_ weights: Weights, _ c: LongVAConfiguration) throws {
        heads = c.heads
        keyValueHeads = c.keyValueHeads
        headWidth = c.headWidth
        let (width, queryWidth) = (c.hiddenSize, c.heads * c.headWidth)
        let keyWidth = c.keyValueHeads * c.headWidth
        inputNorm = try RMSNorm(weights["input_layernorm"], width, epsilon: c.rmsNormEpsilon)
        postAttentionNorm = try RMSNorm(
            weights["post_attention_layernorm"], width, epsilon: c.rmsNormEpsilon)
        let attention = weights["self_attn"]
        query = try Linear(attention["q_proj"], width, queryWidth, bias: true)
        key = try Linear(attention["k_proj"], width, keyWidth, bias: true)
        value = try Linear(attention["v_proj"], width, keyWidth, bias: true)
        output = try Linear(attention["o_proj"], queryWidth, width, bias: false)
        gate = try Linear(weights["mlp"]["gate_proj"], width, c.intermediateSize, bias: false)
        up = try Linear(weights["mlp"]["up_proj"], width, c.intermediateSize, bias: false)
        down = try Linear(weights["mlp"]["down_proj"], c.intermediateSize, width, bias: false)
    }

    /// Added to every key before RoPE, [Hkv d]; `nil` without one.
    var keyBias: Tensor? { key.bias }

    /// The tokens that are left of the prompt, attended as the plan says. x is [1, n, D].
    func prefill(
        _ x: Tensor, _ rotary: RotaryTable, plan: PrefillPlan, context: LayerContext
    ) throws -> (x: Tensor, attention: LayerAttention, salient: [[Int]]?) {
        let normed = try inputNorm(x)
        func project(_ linear: Linear, _ heads: Int, _ rows: Tensor?) throws -> Tensor {
            let input =
                try rows.map { rows in
                    try context.profile.measure(.gather) { try normed.gathered(1, rows) }
                } ?? normed
            return try split(linear(input), heads)
        }
        let projections = LayerProjections(
            queries: { try rotary.rows($0).rotated(project(query, heads, $0)) },
            keys: { try rotary.rows($0).rotated(project(key, keyValueHeads, $0)) },
            values: { try project(value, keyValueHeads, $0) })
        var attention = try plan.policy.attend(projections, in: context)
        let salient = try plan.salient(&attention, projections, in: context)

        let projected = try output(merge(attention.output))  // [1, R, D]
        guard let rows = attention.rows else {
            let result = try x + projected
            return (try result + feedForward(postAttentionNorm(result)), attention, salient)
        }
        func scattered(_ part: Tensor) throws -> Tensor {
            try context.profile.measure(.scatter) { try x.replacing(1, rows, with: part) }
        }
        let attended = try context.profile.measure(.gather) { try x.gathered(1, rows) } + projected
        if attention.skipsFeedForward {
            let done = try attended + feedForward(postAttentionNorm(attended))
            return (try scattered(done), attention, salient)
        }
        let result = try scattered(attended)
        return (try result + feedForward(postAttentionNorm(result)), attention, salient)
    }

    /// One new token x [1, 1, D] over the cached keys and values.
    func decode(
        _ x: Tensor, _ rotary: RotaryTable, cache: inout KVCache, layer: Int, position: Int
    ) throws -> Tensor {
        let normed = try inputNorm(x)
        let asking = try rotary.rotated(split(query(normed), heads))  // [1, H, 1, d]
        let (keys, values) = try cache.append(
            rotary.rotated(split(key(normed), keyValueHeads)), split(value(normed), keyValueHeads),
            query: asking, layer: layer, position: position)
        // The query heads of a group become rows of one attention: no key is copied.
        let queries = try asking.reshaped([1, keyValueHeads, heads / keyValueHeads, headWidth])
        let attended = try queries.attention(keys: keys, values: values, isCausal: false)
        let result = try x + output(attended.reshaped([1, 1, heads * headWidth]))
        return try result + feedForward(postAttentionNorm(result))
    }

    private func feedForward(_ x: Tensor) throws -> Tensor {
        let rows = x.shape[1]
        guard rows > Self.feedForwardRows else { return try down(gate(x).silu() * up(x)) }
        let parts = try stride(from: 0, to: rows, by: Self.feedForwardRows).map { start in
            let part = try x.narrowed(
                1, from: start, count: min(Self.feedForwardRows, rows - start))
            return try down(gate(part).silu() * up(part))
        }
        return try Tensor.concatenated(parts, axis: 1)
    }

    /// [1, R, heads d] to [1, heads, R, d]
    private func split(_ x: Tensor, _ heads: Int) throws -> Tensor {
        try x.reshaped([1, x.shape[1], heads, headWidth]).transposed(1, 2)
    }

    /// [1, H, R, d] to [1, R, H d]
    private func merge(_ x: Tensor) throws -> Tensor {
        try x.transposed(1, 2).reshaped([1, x.shape[2], heads * headWidth])
    }
}
