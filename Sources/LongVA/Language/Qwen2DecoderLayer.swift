import SparsePrefill
import Torch

/// One Qwen2 layer: grouped-query attention with qkv bias, then SwiGLU, both behind an RMS norm.
package struct Qwen2DecoderLayer {
    private let heads: Int
    private let keyValueHeads: Int
    private let headWidth: Int
    let inputNorm: RMSNorm
    let postAttentionNorm: RMSNorm
    /// query, value, key: what is computed for the attended tokens, then what all tokens need.
    let projections: StackedLinear
    let output: Linear
    let feedForward: GatedFeedForward

    private enum Part {
        static let query = 0, value = 1, key = 2
    }

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
        projections = try StackedLinear(
            attention, [("q_proj", queryWidth), ("v_proj", keyWidth), ("k_proj", keyWidth)],
            inputs: width, bias: true)
        output = try Linear(attention["o_proj"], queryWidth, width, bias: false)
        feedForward = try GatedFeedForward(
            weights["mlp"], width: width, intermediate: c.intermediateSize)
    }

    /// Added to every key before RoPE, [Hkv d]; `nil` without one.
    var keyBias: Tensor? { projections[Part.key].bias }

    /// The tokens that are left of the prompt, attended as the plan says.
    ///
    /// Hidden states and their projections are the largest tensors of a long prompt: each is let go of
    /// before the feed-forward layer makes its own.
    func prefill(
        _ stream: consuming ResidualStream, _ rotary: RotaryTable, plan: PrefillPlan,
        context: LayerContext, feedForwardRows: Int
    ) throws -> (stream: ResidualStream, attention: LayerAttention, salient: [[Int]]?) {
        let step = try attend(consume stream, rotary, plan, context)
        let (attention, salient) = (step.attention, step.salient)
        guard let rows = attention.rows else {
            if try feedForward.add(
                to: step.x, after: step.projected, norm: postAttentionNorm,
                rowsAtOnce: feedForwardRows)
            {
                return (ResidualStream(step.x), attention, salient)
            }
            let (sum, normed) = try postAttentionNorm(
                adding: step.projected, to: step.x, as: feedForward.format)
            let delta = try feedForward(normed, rowsAtOnce: feedForwardRows)
            return (ResidualStream(sum, pending: delta), attention, salient)
        }
        let attended = try context.profile.measure(.scatter) {
            try step.x.addingRows(rows, step.projected)
        }
        if attention.skipsFeedForward {
            let own = try context.profile.measure(.gather) { try attended.gatheredRows(1, rows) }
            let delta = try feedForward(
                postAttentionNorm(own, as: feedForward.format), rowsAtOnce: feedForwardRows)
            let done = try context.profile.measure(.scatter) {
                try attended.addingRows(rows, delta)
            }
            return (ResidualStream(done), attention, salient)
        }
        if try feedForward.add(
            to: attended, after: nil, norm: postAttentionNorm, rowsAtOnce: feedForwardRows)
        {
            return (ResidualStream(attended), attention, salient)
        }
        let delta = try feedForward(
            postAttentionNorm(attended, as: feedForward.format), rowsAtOnce: feedForwardRows)
        return (ResidualStream(attended, pending: delta), attention, salient)
    }

    private struct AttentionStep {
        let x: Tensor
        /// Attention's output through its projection, [1, R, D].
        let projected: Tensor
        /// Without its output.
        let attention: LayerAttention
        let salient: [[Int]]?
    }

    private func attend(
        _ stream: consuming ResidualStream, _ rotary: RotaryTable, _ plan: PrefillPlan,
        _ context: LayerContext
    ) throws -> AttentionStep {
        let (x, normed) = try (consume stream).normed(by: inputNorm, as: projections.format)
        let inputs = try layerProjections(of: normed, rotary, context)
        var attention = try plan.policy.attend(inputs, in: context)
        let salient = try plan.salient(&attention, inputs, in: context)
        let projected = try output(merge(attention.output))
        try attention.releaseOutput()
        return AttentionStep(x: x, projected: projected, attention: attention, salient: salient)
    }

    /// Projections of the normed rows [1, R, D]: of any rows, split into heads, rotated.
    private func layerProjections(
        of normed: Activations, _ rotary: RotaryTable, _ context: LayerContext
    ) throws -> LayerProjections {
        func project(_ parts: Range<Int>, _ rows: Tensor?) throws -> [Tensor] {
            let input =
                try rows.map { rows in
                    try context.profile.measure(.gather) { try normed.gatheredRows(rows) }
                } ?? normed
            return try projections(input, parts)
        }
        func rotated(_ x: Tensor, _ heads: Int, _ rows: Tensor?) throws -> Tensor {
            try rotary.rows(rows).rotated(split(x, heads))
        }
        return LayerProjections(
            queries: {
                try rotated(project(Part.query..<Part.query + 1, $0)[0], heads, $0)
            },
            keys: {
                try rotated(project(Part.key..<Part.key + 1, $0)[0], keyValueHeads, $0)
            },
            values: { try split(project(Part.value..<Part.value + 1, $0)[0], keyValueHeads) },
            queriesAndValues: {
                let both = try project(Part.query..<Part.value + 1, $0)
                return (try rotated(both[0], heads, $0), try split(both[1], keyValueHeads))
            },
            all: {
                let all = try project(Part.query..<Part.key + 1, nil)
                return (
                    try rotated(all[0], heads, nil), try rotated(all[2], keyValueHeads, nil),
                    try split(all[1], keyValueHeads)
                )
            })
    }

    /// One new token x [1, 1, D] over the cached keys and values.
    func decode(
        _ x: Tensor, _ rotary: RotaryTable, cache: inout KVCache, layer: Int, position: Int
    ) throws -> Tensor {
        let normed: Activations = try inputNorm(x, as: projections.format)
        let parts = try projections(normed, Part.query..<Part.key + 1)
        let asking = try rotary.rotated(split(parts[Part.query], heads))  // [1, H, 1, d]
        let attended = try cache.attend(
            rotary.rotated(split(parts[Part.key], keyValueHeads)),
            split(parts[Part.value], keyValueHeads), query: asking, layer: layer,
            position: position)
        let (sum, hidden) = try postAttentionNorm(
            adding: output(attended.reshaped([1, 1, heads * headWidth])), to: x,
            as: feedForward.format)
        return try sum + feedForward(hidden, rowsAtOnce: 1)
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
