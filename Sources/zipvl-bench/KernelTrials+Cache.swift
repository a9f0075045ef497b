import SparsePrefill
import Torch

extension KernelTrials {
    /// Cache entries in four and two bits: what is read back must be what plain operators store.
    static func packing(_ maker: inout TrialMaker) throws -> KernelTrial {
        let entries = CacheEntries(&maker)
        return KernelTrial(
            operation: "kv pack", size: entries.description, bytes: entries.bytes,
            // A value on the border of two codes may take the other: one step of one in thousands.
            limit: 1e-3, inputs: entries.inputs,
            fused: { inputs in
                guard let device = try Kernels.device(inputs[0]),
                    let packed = try entries.packed(inputs, on: device)
                else { return try entries.plain(inputs) }
                return try entries.expanded(packed)
            },
            plain: entries.plain)
    }

    /// Attention of one token over packed entries and some in 16 bits.
    static func packedAttention(_ maker: inout TrialMaker) throws -> KernelTrial {
        let entries = CacheEntries(&maker)
        let group = maker.pick([1, 2, 3, 7, 8])
        let query = maker.values(
            [1, entries.heads * group, 1, entries.width], .bfloat16, bound: 1)
        let recentCount = min(entries.tokens, 37)
        func recent(_ inputs: [Tensor]) throws -> (keys: Tensor, values: Tensor) {
            (
                try inputs[0].narrowed(2, from: 0, count: recentCount),
                try inputs[1].narrowed(2, from: 0, count: recentCount)
            )
        }
        func plain(_ inputs: [Tensor], _ cache: CompressedKV, _ offset: Tensor?) throws -> [Tensor]
        {
            let stored = try cache.expanded(keyOffset: offset)
            let recent = try recent(inputs)
            func all(_ old: Tensor, _ new: Tensor) throws -> Tensor {
                try Tensor.concatenated([old, new.converted(to: .float32)], axis: 2)
            }
            return [
                try inputs[2].converted(to: .float32)
                    .reshaped([1, entries.heads, group, entries.width])
                    .attention(
                        keys: all(stored.keys, recent.keys),
                        values: all(stored.values, recent.values), isCausal: false)
            ]
        }
        /// Both sides read the same stored entries; packed once.
        var known: CompressedKV?
        func cache(_ inputs: [Tensor]) throws -> CompressedKV {
            if let known { return known }
            let device = try Kernels.device(inputs[0])
            let made =
                try device.flatMap { try entries.packed(inputs, on: $0) }
                ?? entries.plainCache(inputs)
            known = made
            return made
        }
        return KernelTrial(
            operation: "kv attention", size: "\(group) x \(entries.description)",
            bytes: entries.bytes / 6, limit: 8e-3,
            inputs: { try entries.inputs() + [query()] },
            fused: { inputs in
                var cache = try cache(inputs)
                defer { known = cache }
                if let device = try Kernels.device(inputs[0]),
                    let attended = try cache.attend(
                        query: inputs[2], recent: recent(inputs), bias: entries.bias(),
                        on: device)
                {
                    return [attended]
                }
                return try plain(inputs, cache, entries.offset())
            },
            plain: { try plain($0, cache($0), entries.offset()) })
    }
}

/// Entries [1, Hkv, T, d] over memory [T, Hkv, d], and the bias of their keys.
private struct CacheEntries {
    let heads, tokens, width: Int
    private let salient: [[Int]]
    private let hasBias: Bool
    private let keys, values, angles, offsets: () throws -> Tensor
    private let place: Device

    init(_ maker: inout TrialMaker) {
        let (heads, width) = (maker.pick([1, 2, 4]), maker.pick([64, 128]))
        let tokens = maker.pick(
            maker.isSmall ? [1, 33, 64, 129, 301] : [65, 1000, 4097, 9256])
        (self.heads, self.tokens, self.width) = (heads, tokens, width)
        hasBias = maker.pick([true, false])
        place = maker.machine.place
        let (eachHead, every) = (maker.pick([true, false]), maker.pick([0, 1, 2, 3]))
        salient = (0..<(eachHead ? heads : 1)).map { head in
            (0..<tokens).filter { every > 0 && ($0 + head) % every == 0 }
        }
        let scale = maker.pick([Float(1), 1e-3])
        keys = maker.values([1, tokens, heads, width], .bfloat16, bound: scale)
        values = maker.values([1, tokens, heads, width], .bfloat16, bound: scale)
        angles = maker.values([3 * tokens + 8, width / 2], .float32, bound: 3)
        offsets = maker.values([heads, width], .float32, bound: 20 * scale)
    }

    var bytes: Int { 4 * heads * tokens * width }
    var description: String {
        "\(heads) heads of \(width), \(tokens) tokens, \(salient[0].count) salient"
            + "\(salient.count > 1 ? " by head" : "")\(hasBias ? ", bias" : "")"
    }

    private var positions: [Int] { (0..<tokens).map { 3 * $0 + 5 } }

    /// Keys and values.
    func inputs() throws -> [Tensor] {
        let keys = try keys()
        let biased = try offset().map {
            try (keys.converted(to: .float32) + $0.transposed(1, 2)).converted(to: .bfloat16)
        }
        return try [(biased ?? keys).transposed(1, 2), values().transposed(1, 2)]
    }

    func bias() throws -> KeyBiasTable? {
        guard hasBias else { return nil }
        let half = try angles()
        let both = try Tensor.concatenated([half, half], axis: 1)
        return try KeyBiasTable(
            bias: offsets(), cosine: both.cos().converted(to: .bfloat16),
            sine: both.sin().converted(to: .bfloat16))
    }

    /// What the bias is at the entries' positions, float32 [1, Hkv, T, d].
    func offset() throws -> Tensor? {
        guard let table = try bias() else { return nil }
        let rows = try Tensor(positions, on: place)
        func turn(_ table: Tensor) throws -> Tensor {
            try table.gathered(0, rows).converted(to: .float32)
        }
        let x = try table.bias.reshaped([1, heads, 1, width])
        let turned = try Tensor.concatenated(
            [
                x.narrowed(3, from: width / 2, count: width / 2).neg(),
                x.narrowed(3, from: 0, count: width / 2),
            ], axis: 3)
        return try x * turn(table.cosine) + turned * turn(table.sine)
    }

    func packed(_ inputs: [Tensor], on device: CUDADevice) throws -> CompressedKV? {
        var cache = CompressedKV(dtype: .float32)
        let isPacked = try cache.append(
            keys: inputs[0], values: inputs[1], salient: salient, positions: positions,
            bias: bias(), on: device)
        return isPacked ? cache : nil
    }

    func plainCache(_ inputs: [Tensor]) throws -> CompressedKV {
        var cache = CompressedKV(dtype: .float32)
        let keys = try inputs[0].converted(to: .float32)
        try cache.append(
            keys: offset().map { try keys - $0 } ?? keys, values: inputs[1], salient: salient)
        return cache
    }

    func plain(_ inputs: [Tensor]) throws -> [Tensor] { try expanded(plainCache(inputs)) }

    func expanded(_ cache: CompressedKV) throws -> [Tensor] {
        let read = try cache.expanded()
        return [read.keys, read.values]
    }
}
