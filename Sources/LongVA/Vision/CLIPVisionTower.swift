package import Torch

/// The CLIP vision transformer up to the selected hidden state, without the class token
/// (transformers, models/clip/modeling_clip.py).
package struct CLIPVisionTower {
    private let geometry: CheckpointLayout.Vision
    private let classEmbedding: Tensor  // [D]
    /// [D, 3, p, p], or [D, K] where a product takes the convolution's place.
    private let patchEmbedding: Tensor
    private let framePatches: FramePatches
    /// Whether patches are embedded by a product, and frames best come as bytes.
    package let takesBytes: Bool
    private let positionEmbedding: Tensor  // [1 + P, D]
    private let preNorm: LayerNorm
    private let layers: [CLIPEncoderLayer]

    /// - Parameter selectLayer: index into the list of embeddings and layer outputs, as
    ///   `mm_vision_select_layer` counts: -2 is the output of the last layer but one.
    package init(
        _ weights: Weights, _ geometry: CheckpointLayout.Vision, selectLayer: Int
    ) throws {
        self.geometry = geometry
        let used = selectLayer >= 0 ? selectLayer : geometry.layerCount + 1 + selectLayer
        guard (0...geometry.layerCount).contains(used) else {
            throw ModelError(
                .configuration,
                "mm_vision_select_layer \(selectLayer) is outside the tower's \(geometry.layerCount) layers"
            )
        }
        let width = geometry.width
        let embeddings = weights["embeddings"]
        classEmbedding = try embeddings.tensor("class_embedding", [width])
        let convolution = try embeddings["patch_embedding"]
            .tensor("weight", [width, 3, geometry.patchSize, geometry.patchSize])
        framePatches = FramePatches(
            size: geometry.patchSize, meanings: try PixelNormalization.meanings(on: weights.device),
            dtype: weights.dtype)
        takesBytes = weights.stacks
        patchEmbedding = try takesBytes ? framePatches.weight(convolution) : convolution
        positionEmbedding = try embeddings["position_embedding"]
            .tensor("weight", [geometry.grid * geometry.grid + 1, width])
        preNorm = try LayerNorm(
            weights["pre_layrnorm"], width, epsilon: geometry.layerNormEpsilon)
        // Layers past the selected one are never loaded.
        layers = try (0..<used).map {
            try CLIPEncoderLayer(weights["encoder"]["layers"][$0], geometry)
        }
    }

    /// - Parameter frames: bytes [N, S, S, 3], or pixels [N, 3, S, S], normalised.
    /// - Returns: [N, P, D]
    package func callAsFunction(_ frames: Tensor) throws -> Tensor {
        let (x, pending) = try encoded(frames, by: layers[...])
        guard let pending else { return try x.narrowed(1, from: 1, count: x.shape[1] - 1) }
        return try x.addingButFirst(pending)
    }

    /// The same, with the last used layer's attention of the class token to each patch, summed over
    /// heads: [N, P], float32.
    package func withClassAttention(
        _ frames: Tensor
    ) throws -> (features: Tensor, classAttention: Tensor) {
        guard let last = layers.last else {
            throw ModelError(.configuration, "the vision tower has no layer with attention")
        }
        let (states, pending) = try encoded(frames, by: layers.dropLast())
        let x = try pending.map { try states + $0 } ?? states
        let attention = try last.classAttention(x)
        let (attended, delta) = try last(x, pending: nil)
        return (
            try attended.addingButFirst(delta),
            try attention.narrowed(1, from: 1, count: x.shape[1] - 1)
        )
    }

    /// Frames through some layers: [N, 1 + P, D], and what must be added to it.
    private func encoded(
        _ frames: Tensor, by layers: ArraySlice<CLIPEncoderLayer>
    ) throws -> (x: Tensor, pending: Tensor?) {
        var x = try embed(frames)
        // What a layer's MLP computed is added by the next layer's norm.
        var pending: Tensor?
        for layer in layers { (x, pending) = try layer(x, pending: pending) }
        return (x, pending)
    }

    /// Frames to [N, 1 + P, D]
    private func embed(_ frames: Tensor) throws -> Tensor {
        let count = frames.shape[0]
        let width = geometry.width
        let patches: Tensor  // [N, P, D]
        if takesBytes {
            patches = try framePatches(frames).linear(patchEmbedding)
                .reshaped([count, geometry.grid * geometry.grid, width])
        } else {
            patches = try framePatches.pixels(frames)
                .conv2d(weight: patchEmbedding, stride: geometry.patchSize)
                .reshaped([count, width, -1]).transposed(1, 2)
        }
        return try preNorm(
            first: classEmbedding, others: patches, positions: positionEmbedding)
    }
}

/// Pre-norm encoder layer: attention over all patches, then quick_gelu MLP.
struct CLIPEncoderLayer {
    private let heads: Int
    private let norm1: LayerNorm
    private let norm2: LayerNorm
    /// query, key, value
    private let projections: StackedLinear
    private let output: Linear
    private let up: Linear
    private let down: Linear

    init(_ weights: Weights, _ geometry: CheckpointLayout.Vision) throws {
        let width = geometry.width
        heads = geometry.heads
        norm1 = try LayerNorm(weights["layer_norm1"], width, epsilon: geometry.layerNormEpsilon)
        norm2 = try LayerNorm(weights["layer_norm2"], width, epsilon: geometry.layerNormEpsilon)
        let attention = weights["self_attn"]
        projections = try StackedLinear(
            attention, [("q_proj", width), ("k_proj", width), ("v_proj", width)], inputs: width,
            bias: true)
        output = try Linear(attention["out_proj"], width, width, bias: true)
        up = try Linear(weights["mlp"]["fc1"], width, geometry.feedForward, bias: true)
        down = try Linear(weights["mlp"]["fc2"], geometry.feedForward, width, bias: true)
    }

    /// - Parameters:
    ///   - input: [N, 1 + P, D]; may be overwritten.
    ///   - pending: what must be added to it first.
    /// - Returns: the states after attention, and what the MLP adds to them.
    func callAsFunction(
        _ input: Tensor, pending: Tensor?
    ) throws -> (x: Tensor, pending: Tensor) {
        let x: Tensor
        let normed: Activations
        if let pending {
            (x, normed) = try norm1(adding: pending, to: input, as: projections.format)
        } else {
            (x, normed) = (input, try norm1(input, as: projections.format))
        }
        let parts = try projections(normed, 0..<3)
        let attended = try split(parts[0])
            .attention(keys: split(parts[1]), values: split(parts[2]), isCausal: false)
        let merged = try attended.transposed(1, 2).reshaped(input.shape)
        let (sum, hidden) = try norm2(adding: output(merged), to: x, as: up.format)
        return (sum, try down(up(hidden).quickGELU(as: down.format)))
    }

    /// The class token's attention to all tokens, itself included, summed over heads: [N, T], float32.
    func classAttention(_ input: Tensor) throws -> Tensor {
        let normed: Tensor = try norm1(input)
        // [N, heads, 1, d]
        let first = try split(projections[0](normed.narrowed(1, from: 0, count: 1)))
        let scale = 1 / Float(first.shape[3]).squareRoot()
        let products = try first.matmul(split(projections[1](normed)).transposed(2, 3))
        return try (products.converted(to: .float32) * scale).softmax(-1).sum([1, 2])
    }

    /// [N, T, D] to [N, heads, T, D / heads]
    private func split(_ x: Tensor) throws -> Tensor {
        try x.reshaped([x.shape[0], x.shape[1], heads, x.shape[2] / heads]).transposed(1, 2)
    }
}
