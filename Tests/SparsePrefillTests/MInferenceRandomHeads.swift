import SparsePrefill
import Torch

/// One layer of random heads and its attention by definition: all pairs, then a mask.
struct RandomHeads {
    static let geometry = AttentionGeometry(heads: 6, keyValueHeads: 2, headWidth: 8)
    static let lengths = [1, 2, 63, 64, 65, 200, 500]
    static let shortLengths = [1, 2, 63, 64, 65, 200]

    let n: Int
    /// [1, H, n, d] and twice [1, Hkv, n, d]
    let queries, keys, values: Tensor
    /// [H, n, n]: q k^T / sqrt(d), future columns too.
    private let logits: Tensor
    /// Causal softmax, row-major [H, n, n].
    let attention: [Float]

    init(_ n: Int, seed: UInt64 = 11) throws {
        var generator = SplitMix64(seed: seed, stream: n)
        func random(_ heads: Int, _ scale: Float) throws -> Tensor {
            let values = (0..<heads * n * 8).map { _ in
                (Float(generator.next() >> 40) / Float(1 << 23) - 1) * scale
            }
            return try Tensor(values, shape: [1, heads, n, 8])
        }
        self.n = n
        queries = try random(6, 3)
        keys = try random(2, 3)
        values = try random(2, 1)
        let perHead = try keys.reshaped([2, 1, n, 8]).expanded([2, 3, n, 8]).reshaped([6, n, 8])
        let products = try queries.reshaped([6, n, 8]).matmul(perHead.transposed(1, 2))
        logits = try products * (1 / Float(8).squareRoot())
        let visible = try Self.mask(n) { _, row, column in column <= row }
        attention = try Self.softmax(logits, visible).values()
    }

    var projections: LayerProjections {
        func rows(_ x: Tensor) -> (Tensor?) throws -> Tensor {
            { try $0.map { try x.gathered(2, $0) } ?? x }
        }
        return LayerProjections(queries: rows(queries), keys: rows(keys), values: rows(values))
    }

    /// A prompt of three quarters visual tokens.
    var context: LayerContext {
        LayerContext(
            layer: 1, layerCount: 4,
            layout: PromptLayout(count: n, visual: n / 8..<n / 8 + n * 3 / 4),
            geometry: Self.geometry)
    }

    /// Causal softmax of one row.
    func attention(_ head: Int, _ row: Int) -> ArraySlice<Float> {
        let start = (head * n + row) * n
        return attention[start...start + row]
    }

    /// [1, H, n, d]; a row that sees nothing gives zero. Asked for visible pairs only.
    func output(seen: (_ head: Int, _ row: Int, _ column: Int) -> Bool) throws -> Tensor {
        let mask = try Self.mask(n) { head, row, column in
            column <= row && seen(head, row, column)
        }
        let perHead = try values.reshaped([2, 1, n, 8]).expanded([2, 3, n, 8]).reshaped([6, n, 8])
        return try Self.softmax(logits, mask).matmul(perHead).unsqueezed(0)
    }

    private static func mask(_ n: Int, _ seen: (Int, Int, Int) -> Bool) throws -> Tensor {
        var flat: [UInt8] = []
        flat.reserveCapacity(6 * n * n)
        for head in 0..<6 {
            for row in 0..<n {
                for column in 0..<n { flat.append(seen(head, row, column) ? 1 : 0) }
            }
        }
        return try Tensor(flat, shape: [6, n, n]).converted(to: .bool)
    }

    private static func softmax(_ logits: Tensor, _ mask: Tensor) throws -> Tensor {
        let hidden = try Tensor.filled(-1e30, [1], .float32)
        return try Tensor.where(mask, logits, else: hidden).softmax(-1)
            * mask.converted(to: .float32)
    }
}
