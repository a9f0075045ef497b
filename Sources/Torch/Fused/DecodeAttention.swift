/// Where each sequence's cached entries stand and how many there are, in device memory: what decoding moves on.
package struct DecodeState {
    /// int64 [layers, B, 5]: addresses of keys and values, elements between heads and between entries,
    /// capacity.
    package let views: Tensor
    /// int32 [layers, B]
    package let lengths: Tensor
    /// int32 [B]: tokens chosen by `chooseTokens` so far.
    package let steps: Tensor
    /// int32 [B]: what the next step reads.
    package let tokens: Tensor

    package init(layers: Int, sequences: Int, on device: Device) throws(TorchError) {
        views = try Tensor.zeros([layers, sequences, 5], .int64, on: device)
        lengths = try Tensor.zeros([layers, sequences], .int32, on: device)
        steps = try Tensor.zeros([sequences], .int32, on: device)
        tokens = try Tensor.zeros([sequences], .int32, on: device)
    }

    /// A row of `views` for keys and values [1, Hkv, capacity, d] that lie alike, with the last axis
    /// dense.
    package static func view(keys: Tensor, values: Tensor) throws(TorchError) -> [Int] {
        let strides = try keys.strides()
        guard try values.strides() == strides, values.shape == keys.shape, strides[3] == 1 else {
            throw TorchError(
                .invalidArgument, operation: "cache view", shapes: [keys.shape, values.shape],
                message: "keys and values lie differently")
        }
        return [
            Int(bitPattern: try keys.address()), Int(bitPattern: try values.address()),
            strides[1], strides[2], keys.shape[2],
        ]
    }
}

/// Attention of one new token for each sequence (decode_attention.cu).
package struct DecodeAttention {
    private let heads: Int
    private let keyValueHeads: Int
    private let headWidth: Int
    private let parts: Int
    private let target: DecodeTarget
    private let outputs: Tensor
    private let states: Tensor
    private let tickets: Tensor

    /// Parts that the join of one head takes.
    private static let mostParts = 96

    /// Whether there is a kernel for such heads.
    package static func suits(heads: Int, keyValueHeads: Int, headWidth: Int) -> Bool {
        (headWidth == 64 || headWidth == 128) && heads % keyValueHeads == 0
            && heads / keyValueHeads <= 8
    }

    /// - Parameter sequences: the result of one does not depend on how many there are up to
    ///   `DecodeTarget.mostSequences`; beyond, entries are cut into fewer parts.
    package init(
        heads: Int, keyValueHeads: Int, headWidth: Int, sequences: Int, on target: DecodeTarget
    ) throws(TorchError) {
        self.heads = heads
        self.keyValueHeads = keyValueHeads
        self.headWidth = headWidth
        self.target = target
        let wanted =
            sequences <= DecodeTarget.mostSequences
            ? target.tuning.attentionBlocks * target.multiprocessors / keyValueHeads
            : 4 * target.multiprocessors / (keyValueHeads * sequences)
        parts = max(1, min(Self.mostParts, wanted))
        let place = target.place
        let count = sequences * keyValueHeads
        let group = heads / keyValueHeads
        outputs = try Tensor.empty([count, parts, group, headWidth], .float32, on: place)
        states = try Tensor.empty([count, parts, group, 2], .float32, on: place)
        tickets = try Tensor.zeros([count], .int32, on: place)
    }

    /// Rotates queries and keys, appends the new entry to the cache, and attends to all.
    ///
    /// - Parameters:
    ///   - projected: bfloat16 [B, (H + 2 Hkv) d]: queries, then keys and values from the columns given.
    ///   - cosines, sines: bfloat16 [B, rows, d]; a sequence's row is its step modulo their number.
    ///   - output: bfloat16 [B, H d]
    package func callAsFunction(
        _ projected: Tensor, keyColumn: Int, valueColumn: Int, cosines: Tensor, sines: Tensor,
        layer: Int, _ state: DecodeState, into output: Tensor, next: NextMatrix? = nil,
        on launcher: any KernelLauncher
    ) throws(TorchError) {
        let scale = 1 / Double(headWidth).squareRoot() * 1.4426950408889634
        let tuning = target.tuning
        try launcher.launch(
            target.attention, "decode_attention_\(headWidth)",
            grid: (parts, keyValueHeads, projected.shape[0]), block: tuning.attentionWarps * 32,
            // Each warp's stages of 16 keys and values.
            sharedBytes: tuning.attentionWarps * tuning.attentionStages * 2 * 16 * headWidth * 2,
            [
                .tensor(projected), .tensor(cosines), .tensor(sines),
                .tensor(try state.views.narrowed(0, from: layer, count: 1)),
                .tensor(try state.lengths.narrowed(0, from: layer, count: 1)),
                .tensor(state.steps), .tensor(outputs), .tensor(states), .tensor(tickets),
                .tensor(output), .int32(heads / keyValueHeads), .int32(keyColumn),
                .int32(valueColumn), .int32(cosines.shape[1]), .float(Float(scale)),
            ] + target.arguments(of: next, sequences: projected.shape[0]))
    }
}
