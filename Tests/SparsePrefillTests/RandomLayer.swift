import SparsePrefill
import Torch

/// One layer's heads with attention peaked on some tokens.
final class RandomLayer {
    static let geometry = AttentionGeometry(heads: 6, keyValueHeads: 2, headWidth: 8)

    let queries, keys, values: Tensor
    let n: Int

    init(_ n: Int, seed: UInt64 = 5, _ dtype: DType = .float32) throws {
        var generator = SplitMix64(seed: seed, stream: n)
        func random(_ heads: Int, _ scale: Float) throws -> Tensor {
            let values = (0..<heads * n * 8).map { _ in
                (Float(generator.next() >> 40) / Float(1 << 23) - 1) * scale
            }
            return try Tensor(values, shape: [1, heads, n, 8]).converted(to: dtype)
        }
        self.n = n
        queries = try random(Self.geometry.heads, 4)
        keys = try random(Self.geometry.keyValueHeads, 4)
        values = try random(Self.geometry.keyValueHeads, 1)
    }

    var projections: LayerProjections {
        func rows(_ x: Tensor) -> (Tensor?) throws -> Tensor {
            { try $0.map { try x.gathered(2, $0) } ?? x }
        }
        return LayerProjections(queries: rows(queries), keys: rows(keys), values: rows(values))
    }

    /// Of three quarters visual tokens.
    var layout: PromptLayout { PromptLayout(count: n, visual: n / 8..<n / 8 + n * 3 / 4) }

    func context(layer: Int = 1) -> LayerContext {
        LayerContext(layer: layer, layerCount: 4, layout: layout, geometry: Self.geometry)
    }

    func dense() throws -> Tensor {
        try queries.attention(keys: keys, values: values, isCausal: true)
    }

    /// The definition computed the slow way: one row over the given keys that it can see, as
    /// [1, 6, 1, 8]; zero when it sees none.
    func row(_ position: Int, over rows: [Int]) throws -> Tensor {
        let seen = rows.filter { $0 <= position }
        guard !seen.isEmpty else { return try Tensor.zeros([1, 6, 1, 8], queries.dtype()) }
        let indices = try Tensor(seen)
        return try queries.narrowed(2, from: position, count: 1).attention(
            keys: keys.gathered(2, indices), values: values.gathered(2, indices), isCausal: false)
    }
}
