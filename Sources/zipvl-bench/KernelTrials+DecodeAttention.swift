import Torch

extension KernelTrials {
    /// Attention of one new token for each of seven sequences, and the entries that it leaves in their caches.
    static func decodeAttention(_ maker: inout TrialMaker) throws -> KernelTrial {
        let (group, keyValueHeads, width) = (
            maker.pick([1, 2, 7, 8]), maker.pick([1, 2, 4]), maker.pick([64, 128])
        )
        let lengths = [0, 1, 63, 64, 65, 257, 9256]
        let step = try DecodeAttentionStep(
            heads: group * keyValueHeads, keyValueHeads: keyValueHeads, width: width,
            lengths: lengths, &maker)
        let entries = lengths.reduce(0, +)
        return KernelTrial(
            operation: "decode attention",
            size: "\(group * keyValueHeads) over \(keyValueHeads) heads of \(width), "
                + "\(lengths.map(String.init).joined(separator: ", ")) entries",
            bytes: entries * keyValueHeads * width * 4,
            // Weights and outputs are rounded to bf16.
            limit: 8e-3, inputs: step.inputs, fused: step.fused, plain: step.plain)
    }
}

/// One step of decoding for sequences with caches of their own lengths; what lies behind them in memory is NaN.
private struct DecodeAttentionStep {
    let heads, keyValueHeads, width: Int
    let lengths: [Int]
    let place: Device
    private let projected: () throws -> Tensor
    private let angles: () throws -> Tensor
    private let cached: [() throws -> Tensor]

    private static let tableRows = 3

    init(
        heads: Int, keyValueHeads: Int, width: Int, lengths: [Int], _ maker: inout TrialMaker
    ) throws {
        (self.heads, self.keyValueHeads, self.width) = (heads, keyValueHeads, width)
        self.lengths = lengths
        place = maker.machine.place
        projected = maker.values(
            [lengths.count, (heads + 2 * keyValueHeads) * width], .bfloat16)
        angles = maker.values(
            [lengths.count, Self.tableRows, width], .float32, bound: 9)
        var cached: [() throws -> Tensor] = []
        for index in 0..<2 * lengths.count {
            let length = lengths[index / 2]
            // As a prefill leaves them: heads first, or token-major.
            let isHeadsFirst = index / 2 % 2 == 0
            let make = maker.values(
                isHeadsFirst
                    ? [1, keyValueHeads, length + 2, width]
                    : [1, length + 2, keyValueHeads, width], .bfloat16)
            cached.append {
                let entries = try isHeadsFirst ? make() : make().transposed(1, 2)
                try entries.narrowed(2, from: length, count: 2).overwrite(
                    with: .filled(.nan, [1], .bfloat16, on: entries.device()))
                return entries
            }
        }
        self.cached = cached
    }

    /// Projections, cosines, sines, then keys and values of each sequence.
    func inputs() throws -> [Tensor] {
        let angles = try angles()
        return try [
            projected(), angles.cos().converted(to: .bfloat16),
            angles.sin().converted(to: .bfloat16),
        ] + cached.map { try $0() }
    }

    func fused(_ inputs: [Tensor]) throws -> [Tensor] {
        guard let device = try Kernels.device(inputs[0]),
            DecodeAttention.suits(
                heads: heads, keyValueHeads: keyValueHeads, headWidth: width)
        else { return try plain(inputs) }
        let count = lengths.count
        let state = try DecodeState(layers: 2, sequences: count, on: place)
        let views = try (0..<count).flatMap {
            try DecodeState.view(keys: inputs[3 + 2 * $0], values: inputs[4 + 2 * $0])
        }
        try state.views.overwrite(with: Tensor(views + views, shape: [2, count, 5], on: place))
        let counts = lengths.map { Int32($0) }
        try state.lengths.overwrite(with: Tensor(counts + counts, shape: [2, count], on: place))
        try state.steps.overwrite(with: Tensor((0..<count).map { Int32($0) }, on: place))
        let attention = try DecodeAttention(
            heads: heads, keyValueHeads: keyValueHeads, headWidth: width, sequences: count,
            on: DecodeTarget(device))
        let output = try Tensor.empty([count, heads * width], .bfloat16, on: place)
        // Twice: what the first leaves behind must not disturb the second.
        for _ in 0..<2 {
            try attention(
                inputs[0], keyColumn: (heads + keyValueHeads) * width, valueColumn: heads * width,
                cosines: inputs[1], sines: inputs[2], layer: 1, state, into: output, on: device)
        }
        return try lengths.indices.flatMap { sequence in
            let length = lengths[sequence]
            return try [output.narrowed(0, from: sequence, count: 1)]
                + (0..<2).map {
                    try inputs[3 + 2 * sequence + $0].narrowed(2, from: length, count: 1)
                }
        }
    }

    /// In float32 behind the rotation.
    func plain(_ inputs: [Tensor]) throws -> [Tensor] {
        try lengths.indices.flatMap { sequence -> [Tensor] in
            func part(from column: Int, _ count: Int) throws -> Tensor {
                try inputs[0].narrowed(0, from: sequence, count: 1)
                    .narrowed(1, from: column, count: count * width)
                    .reshaped([1, count, 1, width])
            }
            func row(_ table: Tensor) throws -> Tensor {
                try table.narrowed(0, from: sequence, count: 1)
                    .narrowed(1, from: sequence % Self.tableRows, count: 1).reshaped([1, width])
            }
            func rotated(_ x: Tensor) throws -> Tensor {
                try x.plainRotated(cosine: row(inputs[1]), sine: row(inputs[2]))
            }
            func all(_ cached: Tensor, _ new: Tensor) throws -> Tensor {
                try Tensor.concatenated(
                    [cached.narrowed(2, from: 0, count: lengths[sequence]), new], axis: 2
                ).converted(to: .float32)
            }
            let query = try rotated(part(from: 0, heads)).converted(to: .float32)
            let value = try part(from: heads * width, keyValueHeads)
            let key = try rotated(part(from: (heads + keyValueHeads) * width, keyValueHeads))
            let attended = try query.attention(
                keys: all(inputs[3 + 2 * sequence], key),
                values: all(inputs[4 + 2 * sequence], value), isCausal: false)
            return [try attended.reshaped([1, heads * width]), key, value]
        }
    }
}
