package import SparsePrefill
package import Torch

/// The Qwen2 decoder with its embedding table and language head.
package struct Qwen2Model {
    package let configuration: LongVAConfiguration
    let embeddings: Tensor  // [rows, D]
    let head: Tensor  // [rows, D]
    let layers: [Qwen2DecoderLayer]
    let norm: RMSNorm
    let rotary: RotaryEmbedding
    package var chunks: ComputeChunks

    package init(_ weights: Weights, _ layout: CheckpointLayout) throws {
        try self.init(
            weights, layout.configuration, embeddingRows: layout.embeddingRows,
            headRows: layout.headRows)
    }

    /// - Parameters:
    ///   - embeddingRows: rows of the embedding table, `headRows` of the language head: re-uploads cut
    ///     the padding rows that the configuration still counts.
    package init(
        _ weights: Weights, _ c: LongVAConfiguration, embeddingRows: Int, headRows: Int
    ) throws {
        configuration = c
        let model = weights["model"]
        embeddings = try model["embed_tokens"].tensor(
            "weight", [embeddingRows, c.hiddenSize])
        head =
            c.tiesWordEmbeddings
            ? embeddings : try weights["lm_head"].tensor("weight", [headRows, c.hiddenSize])
        layers = try (0..<c.layerCount).map { try Qwen2DecoderLayer(model["layers"][$0], c) }
        norm = try RMSNorm(model["norm"], c.hiddenSize, epsilon: c.rmsNormEpsilon)
        chunks = .standard(on: weights.device)
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

    var geometry: AttentionGeometry {
        AttentionGeometry(
            heads: configuration.heads, keyValueHeads: configuration.keyValueHeads,
            headWidth: configuration.headWidth)
    }

    /// Token ids to [1, R, D].
    package func embed(_ ids: [Int]) throws -> Tensor {
        let device = try embeddings.device()
        return try embeddings.embedding(Tensor(ids, shape: [1, ids.count], on: device))
    }

    /// One generated token at `position` through all layers: logits [vocabulary].
    package func decode(_ id: Int, position: Int, cache: inout KVCache) throws -> Tensor {
        let table = try rotary.table([position])
        var x = try embed([id])
        for (index, layer) in layers.enumerated() {
            x = try layer.decode(x, table, cache: &cache, layer: index, position: position)
        }
        return try logits(x)
    }

    func logits(_ x: Tensor) throws -> Tensor {
        try norm(x).linear(head).reshaped([head.shape[0]]).converted(to: .float32)
    }
}
