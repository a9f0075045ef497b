package import SparsePrefill
package import Torch

/// The Qwen2 decoder with its embedding table and language head.
package struct Qwen2Model {
    package let configuration: LongVAConfiguration
    private let embeddings: Tensor  // [rows, D]
    private let head: Tensor  // [rows, D]
    private let layers: [Qwen2DecoderLayer]
    private let norm: RMSNorm
    private let rotary: RotaryEmbedding

    package init(_ weights: Weights, _ layout: CheckpointLayout) throws {
        let c = layout.configuration
        configuration = c
        let model = weights["model"]
        embeddings = try model["embed_tokens"].tensor(
            "weight", [layout.embeddingRows, c.hiddenSize])
        head =
            c.tiesWordEmbeddings
            ? embeddings : try weights["lm_head"].tensor("weight", [layout.headRows, c.hiddenSize])
        layers = try (0..<c.layerCount).map { try Qwen2DecoderLayer(model["layers"][$0], c) }
        norm = try RMSNorm(model["norm"], c.hiddenSize, epsilon: c.rmsNormEpsilon)
        rotary = try RotaryEmbedding(
            theta: c.ropeTheta, headWidth: c.headWidth, dtype: weights.dtype, device: weights.device
        )
    }

    package var decoderSizes: FLOPsLedger.Decoder {
        FLOPsLedger.Decoder(
            layers: configuration.layerCount, width: configuration.hiddenSize,
            feedForward: configuration.intermediateSize, vocabulary: head.shape[0],
            attention: geometry)
    }

    private var geometry: AttentionGeometry {
        AttentionGeometry(
            heads: configuration.heads, keyValueHeads: configuration.keyValueHeads,
            headWidth: configuration.headWidth)
    }

    /// Token ids to [1, R, D].
    package func embed(_ ids: [Int]) throws -> Tensor {
        let device = try embeddings.device()
        return try embeddings.embedding(Tensor(ids, shape: [1, ids.count], on: device))
    }

    /// The prompt through all layers.
    ///
    /// - Parameters:
    ///   - x: embeddings [1, n, D].
    ///   - observe: called with 0 and the embeddings, then with l + 1 and layer l's output.
    /// - Returns: logits of the last position [vocabulary] and what each layer computed.
    package func prefill(
        _ x: Tensor, layout: PromptLayout, policy: any PrefillPolicy, cache: inout KVCache,
        observe: (Int, Tensor) throws -> Void = { _, _ in }
    ) throws -> (logits: Tensor, reports: [LayerReport]) {
        let table = try rotary.table(Array(0..<layout.count))
        var x = x
        var reports: [LayerReport] = []
        try observe(0, x)
        for (index, layer) in layers.enumerated() {
            let context = LayerContext(
                layer: index, layerCount: layers.count, layout: layout, geometry: geometry)
            let step = try layer.prefill(x, table, policy: policy, context: context)
            x = step.x
            try cache.fill(keys: step.attention.keys, values: step.attention.values)
            reports.append(step.attention.report)
            try observe(index + 1, x)
        }
        // Logits of the whole prompt would be n x vocabulary: 11 GB at 128 frames.
        return (try logits(x.narrowed(1, from: layout.count - 1, count: 1)), reports)
    }

    /// One generated token at `position` through all layers: logits [vocabulary].
    package func decode(_ id: Int, position: Int, cache: inout KVCache) throws -> Tensor {
        let table = try rotary.table([position])
        var x = try embed([id])
        for (index, layer) in layers.enumerated() {
            x = try layer.decode(x, table, cache: &cache, layer: index)
        }
        return try logits(x)
    }

    private func logits(_ x: Tensor) throws -> Tensor {
        try norm(x).linear(head).reshaped([head.shape[0]]).converted(to: .float32)
    }
}
