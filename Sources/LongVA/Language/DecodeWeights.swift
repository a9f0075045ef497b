import Torch

/// What a decoding step reads of the model, as its kernels take it.
struct DecodeWeights {
    struct Layer {
        let inputNorm: DecodeNorm
        /// queries, values, keys
        let projections: DecodeMatrix
        let output: DecodeMatrix
        let postAttentionNorm: DecodeNorm
        /// gates, then ups
        let gateUp: DecodeMatrix
        let down: DecodeMatrix
    }

    let embeddings: Tensor
    let layers: [Layer]
    let norm: DecodeNorm
    let head: DecodeMatrix

    /// `nil` where the matrices are not stacked, or have sizes or element types that no kernel takes.
    init?(_ model: Qwen2Model) throws {
        let epsilon = model.configuration.rmsNormEpsilon
        var layers: [Layer] = []
        for layer in model.layers {
            guard let projections = layer.projections.stacked,
                let gateUp = layer.feedForward.inputs.stacked
            else { return nil }
            layers.append(
                Layer(
                    inputNorm: DecodeNorm(layer.inputNorm, epsilon: epsilon),
                    projections: DecodeMatrix(projections), output: DecodeMatrix(layer.output),
                    postAttentionNorm: DecodeNorm(layer.postAttentionNorm, epsilon: epsilon),
                    gateUp: DecodeMatrix(gateUp), down: DecodeMatrix(layer.feedForward.down)))
        }
        embeddings = model.embeddings
        self.layers = layers
        norm = DecodeNorm(model.norm, epsilon: epsilon)
        head = DecodeMatrix(weight: model.head)
        guard try embeddings.dtype() == .bfloat16, embeddings.shape[1] % 8 == 0 else { return nil }
        for matrix in matrices {
            guard try matrix.suits() else { return nil }
        }
    }

    private var matrices: [DecodeMatrix] {
        layers.flatMap { [$0.projections, $0.output, $0.gateUp, $0.down] } + [head]
    }

    /// Bytes that every step reads, whatever the caches hold.
    func byteCount() throws -> Int {
        try matrices.reduce(0) {
            $0 + $1.weight.count * (try $1.weight.dtype().byteCount) + 4 * ($1.scale?.count ?? 0)
        }
    }
}
