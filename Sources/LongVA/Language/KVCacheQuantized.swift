import SparsePrefill
import Torch

/// One layer's entries in four and two bits, followed by up to 100 generated tokens in the run's
/// element type; a full buffer is quantised by itself and added to the others.
struct QuantizedEntries {
    private var stored: CompressedKV
    private var buffer: PlainEntries
    private let bias: RotatedKeyBias?
    /// Positions of the stored entries, block by block; kept only where the bias is rotated by them.
    private var positions: [AscendingIndices] = []
    private var bufferPositions: [Int] = []
    private let rule: GeneratedSaliency

    /// Generated tokens between two compressions, as in ZipVL and ZipCache.
    static let interval = 100

    /// - Parameters:
    ///   - keys, values: [1, Hkv, K, d] of the prompt.
    ///   - positions: original positions of the K entries, ascending.
    ///   - salient: see `CompressedKV.append`; `nil` is all.
    init(
        keys: Tensor, values: Tensor, positions: [Int], salient: [[Int]]?, bias: RotatedKeyBias?,
        rule: GeneratedSaliency, room: Int
    ) throws {
        self.bias = bias
        self.rule = rule
        stored = CompressedKV(dtype: try keys.dtype())
        buffer = try PlainEntries(
            like: keys, values, capacity: max(1, min(room, Self.interval)))
        try store(
            keys, values, positions: positions, salient: salient ?? [Array(0..<keys.shape[2])])
    }

    var length: Int { stored.length + buffer.length }

    /// Appends one token [1, Hkv, 1, d] and attends over all entries, the new one exact.
    ///
    /// - Parameter query: the token's own, [1, H, 1, d]: it also decides about the buffer it fills.
    /// - Returns: [1, Hkv, H / Hkv, d]
    mutating func attend(
        _ key: Tensor, _ value: Tensor, query: Tensor, position: Int
    ) throws -> Tensor {
        try buffer.append(key, value)
        bufferPositions.append(position)
        let recent = try buffer.entries()
        if let device = try Kernels.device(query, recent.keys, recent.values),
            let attended = try stored.attend(
                query: query, recent: recent, bias: bias?.table(through: position), on: device)
        {
            if buffer.length == Self.interval { try empty(query: query, keys: expanded().keys) }
            return attended
        }
        let all = try expanded()
        let attended = try PlainEntries.attention(query, keys: all.keys, values: all.values)
        if buffer.length == Self.interval { try empty(query: query, keys: all.keys) }
        return attended
    }

    /// All entries in the run's element type, [1, Hkv, K, d] each.
    private func expanded() throws -> (keys: Tensor, values: Tensor) {
        let recent = try buffer.entries()
        guard stored.length > 0 else { return recent }
        let offset = try bias?.values(at: positions.flatMap { $0.indices() })
        let before = try stored.expanded(keyOffset: offset)
        return (
            try Tensor.concatenated([before.keys, recent.keys], axis: 2),
            try Tensor.concatenated([before.values, recent.values], axis: 2)
        )
    }

    /// Quantises a full buffer.
    ///
    /// - Parameter keys: of all entries.
    private mutating func empty(query: Tensor, keys: Tensor) throws {
        let recent = try buffer.entries()
        let salient = try rule.salient(query: query, keys: keys, count: buffer.length)
        try store(recent.keys, recent.values, positions: bufferPositions, salient: salient)
        buffer = try PlainEntries(
            like: recent.keys, recent.values, capacity: Self.interval)
        bufferPositions = []
    }

    private mutating func store(
        _ keys: Tensor, _ values: Tensor, positions: [Int], salient: [[Int]]
    ) throws {
        if bias != nil { self.positions.append(AscendingIndices(positions)) }
        if let device = try Kernels.device(keys, values),
            try stored.append(
                keys: keys, values: values, salient: salient, positions: positions,
                bias: bias?.table(through: positions.last ?? 0), on: device)
        {
            return
        }
        var keys = try keys.converted(to: .float32)
        if let bias { keys = try keys - bias.values(at: positions) }
        try stored.append(keys: keys, values: values, salient: salient)
    }

    /// Codes, grids, maps, positions, and the valid entries of the buffer.
    var byteCount: Int64 {
        positions.reduce(stored.byteCount + buffer.byteCount) { $0 + Int64($1.byteCount) }
    }
}

/// R(position) b: what RoPE makes of the key projection's bias. Computed whenever it is needed; the
/// bias is the model's own.
struct RotatedKeyBias {
    /// float32 [Hkv, d]
    private let bias: Tensor
    private let rotary: RotaryEmbedding
    private let angles: PositionAngles

    /// - Parameter bias: [Hkv d]
    init(
        bias: Tensor, headWidth: Int, rotary: RotaryEmbedding, angles: PositionAngles
    ) throws {
        self.bias = try bias.converted(to: .float32)
            .reshaped([bias.count / headWidth, headWidth]).contiguous()
        self.rotary = rotary
        self.angles = angles
    }

    /// float32 [1, Hkv, K, d]
    func values(at positions: [Int]) throws -> Tensor {
        // The angles' cosines are rounded as they were for the keys.
        let table = try rotary.table(positions)
        // Never in place: the bias is asked for again.
        return try bias.reshaped([1, bias.shape[0], 1, bias.shape[1]]).plainRotated(
            cosine: table.cosine.converted(to: .float32), sine: table.sine.converted(to: .float32))
    }

    /// What kernels need to compute the same, for positions up to this one.
    func table(through position: Int) throws -> KeyBiasTable {
        let table = try angles.table(through: position, rotary)
        return KeyBiasTable(bias: bias, cosine: table.cosine, sine: table.sine)
    }
}

/// cos and sin of every position from 0 on, one table for all layers of a cache.
final class PositionAngles {
    private var table: RotaryTable?
    private var count = 0

    func table(through position: Int, _ rotary: RotaryEmbedding) throws -> RotaryTable {
        if let table, position < count { return table }
        // Some ahead: every generated token asks for one more.
        let wider = position + 1024
        let table = try rotary.table(Array(0..<wider))
        (self.table, count) = (table, wider)
        return table
    }
}
