import SparsePrefill
import Torch

/// Keys and values of every layer, each layer with a length of its own: sparse prefill leaves
/// different tokens in each. The next position is counted by the generator, not by these lengths.
package struct KVCache {
    private(set) var layers: [Layer] = []
    /// The most bytes that `byteCount` ever was.
    package private(set) var peakByteCount: Int64 = 0
    /// Entries that decoding may add.
    private let room: Int
    private let plan: KVCachePlan

    package init(room: Int, plan: KVCachePlan) {
        self.room = room
        self.plan = plan
    }

    enum Layer {
        case plain(PlainEntries)
        case quantized(QuantizedEntries)

        var length: Int {
            switch self {
            case .plain(let entries): entries.length
            case .quantized(let entries): entries.length
            }
        }

        var byteCount: Int64 {
            switch self {
            case .plain(let entries): entries.byteCount
            case .quantized(let entries): entries.byteCount
            }
        }
    }

    /// Stores what the next layer keeps of the prompt.
    ///
    /// - Parameters:
    ///   - keys, values: [1, Hkv, K, d]
    ///   - positions: original positions of the K entries, ascending; only a quantised layer asks.
    ///   - salient: entries in 0..<K that a quantised layer keeps in four bits, one list for all KV
    ///     heads or one for each; `nil` is all. A layer that is not quantised ignores it.
    ///   - keyBias: what the key projection adds before RoPE, [Hkv d].
    mutating func fill(
        keys: Tensor, values: Tensor, positions: @autoclosure () throws -> [Int],
        salient: [[Int]]?, keyBias: Tensor?, rotary: RotaryEmbedding
    ) throws {
        if plan.quantizes(layers.count) {
            let bias = plan.removesKeyBias ? keyBias : nil
            layers.append(
                .quantized(
                    try QuantizedEntries(
                        keys: keys, values: values, positions: positions(), salient: salient,
                        bias: bias.map {
                            RotatedKeyBias(bias: $0, headWidth: keys.shape[3], rotary: rotary)
                        },
                        rule: plan.generated, room: room)))
        } else {
            var entries = try PlainEntries(
                like: keys, values, capacity: keys.shape[2] + room)
            try entries.append(keys, values)
            layers.append(.plain(entries))
        }
        peakByteCount = max(peakByteCount, byteCount)
    }

    /// Appends one generated token [1, Hkv, 1, d] and returns all entries of the layer.
    ///
    /// - Parameter query: the token's own, [1, H, 1, d], RoPE included.
    mutating func append(
        _ key: Tensor, _ value: Tensor, query: Tensor, layer: Int, position: Int
    ) throws -> (keys: Tensor, values: Tensor) {
        let all: (keys: Tensor, values: Tensor)
        switch layers[layer] {
        case .plain(var entries):
            try entries.append(key, value)
            all = try entries.entries()
            layers[layer] = .plain(entries)
        case .quantized(var entries):
            all = try entries.append(key, value, query: query, position: position)
            layers[layer] = .quantized(entries)
        }
        peakByteCount = max(peakByteCount, byteCount)
        return all
    }

    /// The entries of every layer; `nil` when one of them is quantised.
    var plainLayers: [PlainEntries]? {
        let plain = layers.compactMap { layer in
            if case .plain(let entries) = layer { entries } else { nil }
        }
        return plain.count == layers.count ? plain : nil
    }

    /// Whether the entries of every layer are in the run's element type.
    package var isPlain: Bool { plainLayers != nil }

    /// Counts entries that kernels have appended to every layer, all of them plain.
    mutating func advance(by count: Int) {
        for (index, layer) in layers.enumerated() {
            guard case .plain(var entries) = layer else { continue }
            entries.advance(by: count)
            layers[index] = .plain(entries)
        }
        peakByteCount = max(peakByteCount, byteCount)
    }

    /// Bytes of all valid entries as they are stored now.
    package var byteCount: Int64 { layers.reduce(0) { $0 + $1.byteCount } }

    /// Bytes of entries in one element type.
    package static func bytes(
        entries: Int, keyValueHeads: Int, headWidth: Int, elementBytes: Int
    ) -> Int64 {
        Int64(entries) * 2 * Int64(keyValueHeads * headWidth * elementBytes)
    }
}
