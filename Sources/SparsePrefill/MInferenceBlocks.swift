import Torch

/// Block-sparse attention of one head: each block of 64 queries sees some blocks of 64 keys.
struct MInferenceBlocks: Equatable {
    /// For each block of queries its blocks of keys, ascending; the last is its own.
    let chosen: [[Int]]

    static let side = 64

    /// The chosen blocks of each head.
    ///
    /// - Parameters:
    ///   - counts: for each head the number of key blocks; its own block comes on top where it is not
    ///     among them. `nil` leaves the head out.
    ///   - queries: [1, H, n, d]
    ///   - keys: [1, Hkv, n, d]
    static func choose(
        _ counts: [Int?], queries: Tensor, keys: Tensor
    ) throws -> [MInferenceBlocks?] {
        guard counts.contains(where: { $0 != nil }) else { return counts.map { _ in nil } }
        let group = queries.shape[1] / keys.shape[1]
        return try counts.enumerated().map { head, count in
            guard let count else { return nil }
            let table = try Self.scores(
                queries: queries.narrowed(1, from: head, count: 1),
                keys: keys.narrowed(1, from: head / group, count: 1))
            let blocks = table.shape[0]
            let scores: [Float] = try table.values()
            return MInferenceBlocks(
                chosen: (0..<blocks).map { block in
                    let row = scores[block * blocks...block * blocks + block]
                    let best = Ranking.top(count, of: Array(row))
                    return best.last == block ? best : best + [block]
                })
        }
    }

    /// Products of pooled queries and keys, for one head.
    static func probePairs(_ n: Int) -> Double {
        LayerReport.visiblePairs((n + side - 1) / side)
    }

    /// Products of pooled queries and keys of one head, [1, 1, n, d] each: float32 [blocks, blocks].
    static func scores(queries: Tensor, keys: Tensor) throws -> Tensor {
        let scale = 1 / Float(queries.shape[3]).squareRoot()
        return try means(queries).matmul(means(keys).transposed(0, 1)) * scale
    }

    /// Means over blocks of rows, the last one over what it has: [1, 1, n, d] to [blocks, d], float32.
    private static func means(_ x: Tensor) throws -> Tensor {
        let (n, width) = (x.shape[2], x.shape[3])
        let rows = try x.reshaped([n, width]).converted(to: .float32)
        let whole = n / side
        var parts: [Tensor] = []
        if whole > 0 {
            parts.append(
                try rows.narrowed(0, from: 0, count: whole * side)
                    .reshaped([whole, side, width]).mean([1]))
        }
        if n > whole * side {
            parts.append(
                try rows.narrowed(0, from: whole * side, count: n - whole * side)
                    .mean([0], keepingAxes: true))
        }
        return parts.count == 1 ? parts[0] : try Tensor.concatenated(parts, axis: 0)
    }
}
