package import Torch

/// One layer's cache entries in four and two bits.
///
/// With one list of salient entries for all KV heads the heads are quantised together, as the papers
/// do: a token's values share one grid over all Hkv d channels. With one list for each head the tokens
/// of a group differ from head to head, so each head is quantised by itself and a token has one value
/// grid for each head, over d channels.
package struct CompressedKV {
    /// One after the other along the tokens, each quantised by itself; in each, all heads or one
    /// head after the other.
    private(set) var blocks: [[CompressedEntries]] = []
    /// The same blocks as kernels read them; empty, or as many.
    private(set) var packed: [PackedBlock] = []
    /// Where the kernels find them; made when they are read, and gone when a block is added.
    private var directory: PackedDirectory?
    private let dtype: DType
    package private(set) var length = 0

    /// - Parameter dtype: of the expanded entries.
    package init(dtype: DType) {
        self.dtype = dtype
    }

    /// Quantises further entries.
    ///
    /// - Parameters:
    ///   - keys, values: [1, Hkv, T, d]; T = 0 adds nothing.
    ///   - salient: entries in 0..<T that get four bits, ascending: one list for all KV heads or one
    ///     for each.
    package mutating func append(keys: Tensor, values: Tensor, salient: [[Int]]) throws {
        let (heads, count, width) = (keys.shape[1], keys.shape[2], keys.shape[3])
        guard count > 0 else { return }
        let each = heads / salient.count
        let keys = try keys.converted(to: .float32).reshaped([heads, count, width])
        let values = try values.converted(to: .float32).reshaped([heads, count, width])
        blocks.append(
            try salient.enumerated().map { index, tokens in
                try CompressedEntries(
                    keys: keys.narrowed(0, from: index * each, count: each),
                    values: values.narrowed(0, from: index * each, count: each), salient: tokens)
            })
        length += count
    }

    /// Quantises further entries in three launches.
    ///
    /// - Parameters:
    ///   - keys, values: [1, Hkv, T, d] in the run's element type.
    ///   - positions: original positions of the T entries.
    ///   - bias: what is taken off the keys.
    /// - Returns: false, and nothing is done, where the kernels cannot read them.
    package mutating func append(
        keys: Tensor, values: Tensor, salient: [[Int]], positions: [Int], bias: KeyBiasTable?,
        on launcher: some KernelLauncher
    ) throws -> Bool {
        guard packed.count == blocks.count, keys.shape[2] > 0, try PackedBlock.reads(keys),
            try PackedBlock.reads(values)
        else { return false }
        let block = try PackedBlock(
            keys: keys, values: values, salient: salient, positions: positions, bias: bias,
            on: launcher)
        packed.append(block)
        blocks.append(block.parts)
        directory = nil
        length += keys.shape[2]
        return true
    }

    /// Attention of one token over all entries and some in 16 bits; nothing is expanded.
    ///
    /// - Parameters:
    ///   - query: [1, H, 1, d]
    ///   - recent: keys and values [1, Hkv, any, d].
    ///   - bias: what was taken off the keys.
    /// - Returns: [1, Hkv, H / Hkv, d], or `nil` where the kernels cannot read them.
    package mutating func attend(
        query: Tensor, recent: (keys: Tensor, values: Tensor), bias: KeyBiasTable?,
        on launcher: some KernelLauncher
    ) throws -> Tensor? {
        guard !packed.isEmpty, packed.count == blocks.count,
            PackedDirectory.serves(queryHeads: query.shape[1], keyHeads: recent.keys.shape[1]),
            try PackedBlock.reads(query), try PackedBlock.reads(recent.keys),
            try PackedBlock.reads(recent.values)
        else { return nil }
        let directory = try directory ?? PackedDirectory(packed, on: query.device())
        self.directory = directory
        return try directory.attend(query: query, recent: recent, bias: bias, on: launcher)
    }

    /// All entries in the order in which they came, [1, Hkv, K, d] in `dtype`.
    ///
    /// - Parameter keyOffset: float32, added to the keys before they are converted.
    package func expanded(
        keyOffset: Tensor? = nil
    ) throws -> (keys: Tensor, values: Tensor) {
        let parts = try blocks.map { block in
            let heads = try block.map { try $0.values() }
            return (
                keys: try Tensor.concatenated(heads.map(\.keys), axis: 0),
                values: try Tensor.concatenated(heads.map(\.values), axis: 0)
            )
        }
        let keys = try Tensor.concatenated(parts.map(\.keys), axis: 1).unsqueezed(0)
        let values = try Tensor.concatenated(parts.map(\.values), axis: 1).unsqueezed(0)
        return (
            try (keyOffset.map { try keys + $0 } ?? keys).converted(to: dtype),
            try values.converted(to: dtype)
        )
    }

    /// Everything that is stored: codes, grids, channel scales, maps.
    package var byteCount: Int64 {
        blocks.reduce(0) { $0 + $1.reduce(0) { $0 + Int64($1.byteCount) } }
    }
}
