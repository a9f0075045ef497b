package import Torch

/// What keys are stored without, as kernels read it: the key projection's bias, and the angles by
/// which positions turn it.
package struct KeyBiasTable {
    /// float32 [Hkv, d]
    package let bias: Tensor
    /// In the run's element type, [positions, d]; row p is that of position p.
    package let cosine, sine: Tensor

    package init(bias: Tensor, cosine: Tensor, sine: Tensor) {
        self.bias = bias
        self.cosine = cosine
        self.sine = sine
    }
}

/// Entries of all KV heads in four and two bits, packed by kv_pack.cu: what `CompressedEntries` would
/// store, byte for byte, and where its parts stand for the kernel that attends over them.
struct PackedBlock {
    /// One for all heads, or one for each: views of the memory below.
    let parts: [CompressedEntries]
    /// Groups of entries that have one form, each of some heads.
    let segments: [Segment]
    let heads: Int

    /// A row of the table in kv_attention.cu.
    struct Segment {
        let heads: Range<Int>
        let tokens: Int
        let bits: Int
        /// 0: four bits; 1: two.
        let group: Int
        let keyCodes, valueCodes, keyGrids, scales, valueZeros, valueSteps, flags: Tensor
        /// int32, of the tokens in the group's order.
        let positions: Tensor?
    }

    static func reads(_ x: Tensor) throws -> Bool { try MInferenceKernels.reads(x) }

    private static let rangeTokens = 256

    /// - Parameters:
    ///   - keys, values: bfloat16 [1, Hkv, T, d], T > 0.
    ///   - salient: ascending: one list for all KV heads or one for each.
    ///   - positions: of the T entries; read where there is a bias.
    init(
        keys: Tensor, values: Tensor, salient: [[Int]], positions: [Int], bias: KeyBiasTable?,
        on launcher: some KernelLauncher
    ) throws {
        let (heads, tokens, width) = (keys.shape[1], keys.shape[2], keys.shape[3])
        let device = try keys.device()
        let each = heads / salient.count
        let channels = each * width
        let orders = salient.map { $0 + CompressedEntries.others(than: $0, below: tokens) }
        let order = try Tensor(orders.flatMap { $0.map(Int32.init) }, on: device)
        let counts = try Tensor(salient.map { Int32($0.count) }, on: device)
        // Four bits take half a byte, two a quarter.
        func bytes(_ part: Int) -> Int { channels * (tokens + salient[part].count) / 4 }
        var starts = [0]
        for part in salient.indices { starts.append(starts[part] + bytes(part)) }
        let partStarts = try Tensor(Array(starts.dropLast()), on: device)
        let placed = try bias.map { _ in
            try Tensor(
                orders.flatMap { $0.map { Int32(positions[$0]) } }, shape: [salient.count, tokens],
                on: device)
        }

        func output(_ shape: [Int], _ dtype: DType) throws -> Tensor {
            try launcher.output(shape, dtype, beside: keys)
        }
        func chunks(_ count: Int) -> Int { (count + Self.rangeTokens - 1) / Self.rangeTokens }
        let most = salient.map { chunks($0.count) + chunks(tokens - $0.count) }.max() ?? 0
        let ranges = try output([heads, most, 3, width], .float32)
        let totals = try output([heads, 6, width], .float32)
        let scales = try output([salient.count, each, 1, width], .float16)
        let keyGrids = try output([salient.count, 2, 2, channels], .float16)
        let flags = try output([salient.count, 5], .int32)
        let keyCodes = try output([starts[salient.count]], .uint8)
        let valueCodes = try output([starts[salient.count]], .uint8)
        let valueGrids = try output([salient.count, 2, tokens], .float16)

        let (ofKeys, ofValues) = (try keys.strides(), try values.strides())
        let strides: [KernelArgument] = [
            .int64(ofKeys[1]), .int64(ofKeys[2]), .int64(ofValues[1]), .int64(ofValues[2]),
        ]
        let rotation: [KernelArgument] = [
            placed.map { .tensor($0) } ?? .null, bias.map { .tensor($0.cosine) } ?? .null,
            bias.map { .tensor($0.sine) } ?? .null, bias.map { .tensor($0.bias) } ?? .null,
        ]
        let sizes: [KernelArgument] = [.int32(tokens), .int32(each), .int32(width)]
        try launcher.launch(
            .kvPack, "kv_ranges", grid: (most, heads, 1), block: 256,
            // Three numbers a channel from each of 256 / (width / 8) rows of threads.
            sharedBytes: 3 * 256 * 8 * 4,
            [.tensor(keys), .tensor(values), .tensor(order), .tensor(counts)] + rotation
                + [.tensor(ranges)] + sizes + strides)
        try launcher.launch(
            .kvPack, "kv_grids", grid: (salient.count, 1, 1), block: 512,
            .tensor(ranges), .tensor(counts), .tensor(totals), .tensor(scales), .tensor(keyGrids),
            .tensor(flags), .int32(tokens), .int32(most), .int32(each), .int32(width))
        try launcher.launch(
            .kvPack, "kv_encode", grid: ((tokens + 7) / 8, salient.count, 1), block: 256,
            sharedBytes: 0,
            [
                .tensor(keys), .tensor(values), .tensor(order), .tensor(counts),
                .tensor(partStarts),
            ] + rotation + [
                .tensor(scales), .tensor(keyGrids), .tensor(flags), .tensor(keyCodes),
                .tensor(valueCodes), .tensor(valueGrids),
            ] + sizes + strides)

        var segments: [Segment] = []
        parts = try salient.indices.map { part in
            let first = try Self.only(part, of: scales)  // [each, 1, d]
            let ownFlags = try Self.only(part, of: flags)
            func flag(_ index: Int) throws -> Tensor {
                try ownFlags.narrowed(0, from: index, count: 1)
            }
            var (place, byte) = (0, starts[part])
            func group(_ index: Int, _ count: Int, bits: Int) throws -> CompressedEntries.Group? {
                guard count > 0 else { return nil }
                let size = count * channels * bits / 8
                let codes = (
                    keys: try keyCodes.narrowed(0, from: byte, count: size),
                    values: try valueCodes.narrowed(0, from: byte, count: size)
                )
                let grids = try Self.only(index, of: Self.only(part, of: keyGrids))
                let tokenGrids = try Self.only(part, of: valueGrids)
                    .narrowed(1, from: place, count: count)
                let segment = Segment(
                    heads: part * each..<(part + 1) * each, tokens: count, bits: bits, group: index,
                    keyCodes: codes.keys, valueCodes: codes.values, keyGrids: grids, scales: first,
                    valueZeros: try Self.only(0, of: tokenGrids),
                    valueSteps: try Self.only(1, of: tokenGrids), flags: ownFlags,
                    positions: try placed.map {
                        try Self.only(part, of: $0).narrowed(0, from: place, count: count)
                    })
                segments.append(segment)
                (place, byte) = (place + count, byte + size)
                let shape = [each, count, width]
                func block(
                    _ codes: Tensor, _ zero: Tensor, _ step: Tensor, _ parameters: [Int],
                    _ flag: Tensor
                ) throws -> QuantizedBlock {
                    QuantizedBlock(
                        codes: PackedCodes(bytes: codes, count: count * channels, bits: bits),
                        shape: shape, zero: try zero.reshaped(parameters),
                        step: try step.reshaped(parameters), isBrain: flag)
                }
                return CompressedEntries.Group(
                    keys: try block(
                        codes.keys, Self.only(0, of: grids), Self.only(1, of: grids),
                        [each, 1, width], flag(1 + index)),
                    values: try block(
                        codes.values, segment.valueZeros, segment.valueSteps, [1, count, 1],
                        flag(3 + index)))
            }
            let many = salient[part].count
            return CompressedEntries(
                length: tokens, salient: salient[part],
                groups: (
                    try group(0, many, bits: 4), try group(1, tokens - many, bits: 2)
                ), channelScale: first, scaleIsBrain: try flag(0))
        }
        self.segments = segments
        self.heads = heads
    }

    /// x[index], as a view.
    private static func only(_ index: Int, of x: Tensor) throws -> Tensor {
        try x.narrowed(0, from: index, count: 1).reshaped(Array(x.shape.dropFirst()))
    }
}
