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

    /// Appends one token [1, Hkv, 1, d] and returns all entries, the new one exact.
    ///
    /// - Parameter query: the token's own, [1, H, 1, d]: it decides about the buffer it fills.
    mutating func append(
        _ key: Tensor, _ value: Tensor, query: Tensor, position: Int
    ) throws -> (keys: Tensor, values: Tensor) {
        try buffer.append(key, value)
        bufferPositions.append(position)
        let recent = try buffer.entries()
        var all = recent
        if stored.length > 0 {
            let offset = try bias?.values(at: positions.flatMap { $0.indices() })
            let expanded = try stored.expanded(keyOffset: offset)
            all.keys = try Tensor.concatenated([expanded.keys, recent.keys], axis: 2)
            all.values = try Tensor.concatenated([expanded.values, recent.values], axis: 2)
        }
        if buffer.length == Self.interval {
            let salient = try rule.salient(query: query, keys: all.keys, count: buffer.length)
            try store(recent.keys, recent.values, positions: bufferPositions, salient: salient)
            // The returned entries may be views of the buffer: it is given up, not overwritten.
            buffer = try PlainEntries(like: key, value, capacity: Self.interval)
            bufferPositions = []
        }
        return all
    }

    private mutating func store(
        _ keys: Tensor, _ values: Tensor, positions: [Int], salient: [[Int]]
    ) throws {
        var keys = try keys.converted(to: .float32)
        if let bias {
            keys = try keys - bias.values(at: positions)
            self.positions.append(AscendingIndices(positions))
        }
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
    let bias: Tensor  // [Hkv d]
    let headWidth: Int
    let rotary: RotaryEmbedding

    /// float32 [1, Hkv, K, d]
    func values(at positions: [Int]) throws -> Tensor {
        // The angles' cosines are rounded as they were for the keys.
        let table = try rotary.table(positions)
        let wide = RotaryTable(
            cosine: try table.cosine.converted(to: .float32),
            sine: try table.sine.converted(to: .float32))
        return try wide.rotated(
            bias.converted(to: .float32).reshaped([1, bias.count / headWidth, 1, headWidth]))
    }
}
