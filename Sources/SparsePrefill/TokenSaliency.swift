package import Torch

/// How much attention the probe rows pay to each token.
package enum TokenSaliency {
    /// Query heads and probe rows whose attention stands in memory at once: all of them would be
    /// H m n floats, 266 MB at 128 frames of LongVA-7B.
    private static let (headsAtOnce, rowsAtOnce) = (2, 128)

    /// Accumulated attention a_j (ZipVL Eq. 5), mean over heads: n values.
    ///
    /// - Parameters:
    ///   - probeQueries: [1, H, m, d], RoPE included.
    ///   - keys: [1, Hkv, n, d]
    ///   - probeRows: the m rows of the probe queries, ascending; row i sees columns <= i.
    static func scores(
        probeQueries: Tensor, keys: Tensor, probeRows: [Int]
    ) throws -> [Float] {
        let heads = probeQueries.shape[1]
        if let sums = try kernelSums(probeQueries, keys, probeRows) {
            return try (sums.sum([0, 1]) * (1 / Float(heads))).values()
        }
        var total = try Tensor.zeros([keys.shape[2]], .float32, on: try keys.device())
        try eachPart(probeQueries, keys, probeRows) { _, attention in
            total = try total + attention.sum([0, 1])
        }
        return try (total * (1 / Float(heads))).values()
    }

    /// The same for each KV head, summed over its query heads: Hkv lists of n values.
    package static func groupScores(
        probeQueries: Tensor, keys: Tensor, probeRows: [Int]
    ) throws -> [[Float]] {
        let n = keys.shape[2]
        let sums: [Float] = try sums(
            probeQueries: probeQueries, keys: keys, probeRows: probeRows
        ).sum([1]).values()
        return (0..<keys.shape[1]).map { Array(sums[$0 * n..<($0 + 1) * n]) }
    }

    /// Sums over the probe rows and the query heads of each KV head, as P parts to be added up:
    /// float32 [Hkv, P, n].
    ///
    /// - Parameters:
    ///   - rows: the probe rows as int64 [m] on the keys' device, where the caller has them.
    ///   - finished: see `ProbeAttention.columnSums`.
    static func sums(
        probeQueries: Tensor, keys: Tensor, probeRows: [Int], rows: Tensor? = nil,
        finished: Tensor? = nil
    ) throws -> Tensor {
        try kernelSums(probeQueries, keys, probeRows, rows: rows, finished: finished)
            ?? plainSums(probeQueries: probeQueries, keys: keys, probeRows: probeRows)
    }

    private static func kernelSums(
        _ probeQueries: Tensor, _ keys: Tensor, _ probeRows: [Int], rows: Tensor? = nil,
        finished: Tensor? = nil
    ) throws -> Tensor? {
        guard try Kernels.device(keys) != nil else { return nil }
        return try ProbeAttention.columnSums(
            queries: probeQueries, keys: keys,
            rows: rows ?? Tensor(probeRows, on: keys.device()), finished: finished)
    }

    /// The same by plain operators: float32 [Hkv, 1, n].
    package static func plainSums(
        probeQueries: Tensor, keys: Tensor, probeRows: [Int]
    ) throws -> Tensor {
        let (keyValueHeads, n) = (keys.shape[1], keys.shape[2])
        let group = probeQueries.shape[1] / keyValueHeads
        let zeros = try Tensor.zeros([1, 1, n], .float32, on: try keys.device())
        var totals = [Tensor](repeating: zeros, count: keyValueHeads)
        try eachPart(probeQueries, keys, probeRows) { first, attention in
            totals[first / group] =
                try totals[first / group] + attention.sum([0, 1]).reshaped([1, 1, n])
        }
        return try Tensor.concatenated(totals, axis: 0)
    }

    /// The same for each query head: H lists of n values.
    static func headScores(
        probeQueries: Tensor, keys: Tensor, probeRows: [Int]
    ) throws -> [[Float]] {
        let n = keys.shape[2]
        var scores = [[Float]](
            repeating: [Float](repeating: 0, count: n), count: probeQueries.shape[1])
        try eachPart(probeQueries, keys, probeRows) { first, attention in
            let sums: [Float] = try attention.sum([1]).values()  // [h, n]
            for (index, sum) in sums.enumerated() { scores[first + index / n][index % n] += sum }
        }
        return scores
    }

    /// Gives `body` the causal attention of some query heads' probe rows, [h, r, n] in float32, and the
    /// first of these heads. The heads of a part share one KV head.
    private static func eachPart(
        _ probeQueries: Tensor, _ keys: Tensor, _ probeRows: [Int],
        _ body: (Int, Tensor) throws -> Void
    ) throws {
        let heads = probeQueries.shape[1]
        let group = heads / keys.shape[1]
        // Even where one KV head serves them all, never all at once.
        let most = max(1, min(headsAtOnce, heads / 2))
        for start in stride(from: 0, to: probeRows.count, by: rowsAtOnce) {
            let rows = Array(probeRows[start..<min(start + rowsAtOnce, probeRows.count)])
            let queries = try probeQueries.narrowed(2, from: start, count: rows.count)
            for first in stride(from: 0, to: heads, by: group) {
                let key = try keys.narrowed(1, from: first / group, count: 1)
                for head in stride(from: first, to: first + group, by: most) {
                    let count = min(most, first + group - head)
                    try body(
                        head, attention(queries.narrowed(1, from: head, count: count), key, rows))
                }
            }
        }
    }

    /// Gives `body` the causal attention of the probe rows, [m, n] in float32, one query head after the
    /// other.
    static func eachHead(
        _ probeQueries: Tensor, _ keys: Tensor, _ probeRows: [Int],
        _ body: (Tensor) throws -> Void
    ) throws {
        let group = probeQueries.shape[1] / keys.shape[1]
        for head in 0..<probeQueries.shape[1] {
            try body(
                attention(
                    probeQueries.narrowed(1, from: head, count: 1),
                    keys.narrowed(1, from: head / group, count: 1), probeRows
                ).reshaped([probeRows.count, keys.shape[2]]))
        }
    }

    /// Causal attention of probe rows, [h, m, n] in float32.
    ///
    /// - Parameters:
    ///   - probeQueries: [1, h, m, d]
    ///   - keys: [1, 1, n, d], of the KV head that these query heads share.
    private static func attention(
        _ probeQueries: Tensor, _ keys: Tensor, _ probeRows: [Int]
    ) throws -> Tensor {
        let (heads, m, width) = (
            probeQueries.shape[1], probeQueries.shape[2], probeQueries.shape[3]
        )
        let n = keys.shape[2]
        let device = try keys.device()
        let columns = try Tensor.range(n, on: device).reshaped([1, n])
        let visible = try columns <= Tensor(probeRows, shape: [m, 1], on: device)  // [m, n]
        let masked = try Tensor.filled(-.infinity, [1], .float32, on: device)
        let queries =
            try probeQueries.reshaped([heads * m, width]).converted(to: .float32)
            * (1 / Float(width).squareRoot())
        let key = try keys.reshaped([n, width]).converted(to: .float32)
        let logits = try queries.matmul(key.transposed(0, 1)).reshaped([heads, m, n])
        return try Tensor.where(visible, logits, else: masked).softmax(-1)
    }
}
