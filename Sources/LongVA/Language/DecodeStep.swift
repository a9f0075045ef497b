import Torch

/// One decoding step of B sequences: buffers that live as long as the decoder, and the kernels in order.
struct DecodeStep {
    let target: DecodeTarget
    let weights: DecodeWeights
    let choice: NextTokenChoice
    let state: DecodeState
    private let model: Qwen2Model
    private let sequences: Int
    private let attention: DecodeAttention
    private let cosines: Tensor
    private let sines: Tensor
    private let x: Tensor  // [B, D]
    private let projected: Tensor  // [B, (H + 2 Hkv) d]
    private let attended: Tensor  // [B, H d]
    private let hidden: Tensor  // [B, F]
    private let logits: Tensor  // [B, vocabulary]

    init(
        _ model: Qwen2Model, _ weights: DecodeWeights, _ choice: NextTokenChoice, sequences: Int,
        cosines: Tensor, sines: Tensor, on target: DecodeTarget
    ) throws {
        let c = model.configuration
        func buffer(_ width: Int) throws -> Tensor {
            try Tensor.zeros([sequences, width], .bfloat16, on: target.place)
        }
        self.model = model
        self.weights = weights
        self.choice = choice
        self.sequences = sequences
        self.target = target
        self.cosines = cosines
        self.sines = sines
        state = try DecodeState(layers: c.layerCount, sequences: sequences, on: target.place)
        attention = try DecodeAttention(
            heads: c.heads, keyValueHeads: c.keyValueHeads, headWidth: c.headWidth,
            sequences: sequences, on: target)
        x = try buffer(c.hiddenSize)
        projected = try buffer((c.heads + 2 * c.keyValueHeads) * c.headWidth)
        attended = try buffer(c.heads * c.headWidth)
        hidden = try buffer(c.intermediateSize)
        logits = try buffer(weights.head.rows)
    }

    /// Queues a step: embeddings of the state's tokens in, the next tokens out.
    func queue(on launcher: any KernelLauncher) throws {
        try target.embed(weights.embeddings, state, into: x, on: launcher)
        if sequences <= DecodeTarget.mostSequences {
            try queueVectors(on: launcher)
        } else {
            try queueMatrices(on: launcher)
        }
    }

    /// The kernels of a layer, in order.
    enum Part: String, CaseIterable {
        case projections, attention, output
        case gateUp = "gate_up"
        case down
    }

    private func queueVectors(on launcher: any KernelLauncher) throws {
        for layer in weights.layers.indices {
            for part in Part.allCases {
                try queue(part, layer: layer, next: next(part, layer), on: launcher)
            }
        }
        try queueHead(on: launcher)
        try choice(logits, state, on: launcher)
    }

    /// The matrix that the kernel behind a part reads.
    private func next(_ part: Part, _ index: Int) -> NextMatrix? {
        let layer = weights.layers[index]
        switch part {
        case .projections: return nil
        case .attention: return NextMatrix(layer.output)
        case .output: return NextMatrix(layer.gateUp, isGated: true)
        case .gateUp: return NextMatrix(layer.down)
        case .down:
            let isLast = index + 1 == weights.layers.count
            return NextMatrix(isLast ? weights.head : weights.layers[index + 1].projections)
        }
    }

    func queue(
        _ part: Part, layer index: Int, next: NextMatrix? = nil, on launcher: any KernelLauncher
    ) throws {
        let layer = weights.layers[index]
        switch part {
        case .projections:
            try target.product(
                layer.projections, x, layer.inputNorm, into: projected, next: next, on: launcher)
        case .attention: try attend(projected, layer: index, next: next, on: launcher)
        case .output:
            try target.addProduct(layer.output, attended, to: x, next: next, on: launcher)
        case .gateUp:
            try target.swiGLUProduct(
                layer.gateUp, x, layer.postAttentionNorm, into: hidden, next: next, on: launcher)
        case .down: try target.addProduct(layer.down, hidden, to: x, next: next, on: launcher)
        }
    }

    func queueHead(on launcher: any KernelLauncher) throws {
        try target.product(weights.head, x, weights.norm, into: logits, on: launcher)
    }

    /// Every linear layer as a product of matrices: its weights are read once for all sequences.
    private func queueMatrices(on launcher: any KernelLauncher) throws {
        // One prompt's rows, as far as the layers see.
        var stream = try x.reshaped([1, sequences, x.shape[1]])
        let input = try attended.reshaped([1, sequences, attended.shape[1]])
        for (index, layer) in model.layers.enumerated() {
            guard let projections = layer.projections.stacked else { return }
            let normed: Activations = try layer.inputNorm(stream, as: layer.projections.format)
            let projected = try projections(normed)
            try attend(projected.reshaped([sequences, -1]), layer: index, on: launcher)
            let (sum, hidden) = try layer.postAttentionNorm(
                adding: layer.output(input), to: stream, as: layer.feedForward.format)
            stream = try sum + layer.feedForward(hidden, rowsAtOnce: sequences)
        }
        let normed: Activations = try model.norm(stream, as: .asIs)
        let logits = try normed.values.linear(model.head)
        try choice(logits.reshaped([sequences, -1]), state, on: launcher)
    }

    private func attend(
        _ projected: Tensor, layer: Int, next: NextMatrix? = nil, on launcher: any KernelLauncher
    ) throws {
        let c = model.configuration
        try attention(
            projected, keyColumn: (c.heads + c.keyValueHeads) * c.headWidth,
            valueColumn: c.heads * c.headWidth, cosines: cosines, sines: sines, layer: layer,
            state, into: attended, next: next, on: launcher)
    }
}
