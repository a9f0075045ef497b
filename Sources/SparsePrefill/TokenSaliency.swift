package import Torch

/// How much attention the probe rows pay to each token.
package enum TokenSaliency {
    /// Accumulated attention a_j (ZipVL Eq. 5), mean over heads: n values.
    ///
    /// - Parameters:
    ///   - probeQueries: [1, H, m, d], RoPE included.
    ///   - keys: [1, Hkv, n, d]
    ///   - probeRows: the m rows of the probe queries; row i sees columns <= i.
    static func scores(
        probeQueries: Tensor, keys: Tensor, probeRows: [Int]
    ) throws -> [Float] {
        let heads = probeQueries.shape[1]
        var total = try Tensor.zeros([keys.shape[2]], .float32, on: try keys.device())
        try eachGroup(probeQueries, keys, probeRows) { attention in
            total = try total + attention.sum([0, 1])
        }
        return try (total * (1 / Float(heads))).values()
    }

    /// The same for each KV head, summed over its query heads: Hkv lists of n values.
    package static func groupScores(
        probeQueries: Tensor, keys: Tensor, probeRows: [Int]
    ) throws -> [[Float]] {
        var scores: [[Float]] = []
        try eachGroup(probeQueries, keys, probeRows) { scores.append(try $0.sum([0, 1]).values()) }
        return scores
    }

    /// The same for each query head: H lists of n values.
    static func headScores(
        probeQueries: Tensor, keys: Tensor, probeRows: [Int]
    ) throws -> [[Float]] {
        var scores: [[Float]] = []
        let n = keys.shape[2]
        try eachGroup(probeQueries, keys, probeRows) { attention in
            let flat: [Float] = try attention.sum([1]).values()  // [group, n]
            for start in stride(from: 0, to: flat.count, by: n) {
                scores.append(Array(flat[start..<start + n]))
            }
        }
        return scores
    }

    /// Gives `body` the causal attention of the probe rows, [group, m, n] in float32, one KV head
    /// after the other: all heads at once would be H m n floats, 266 MB at 128 frames.
    static func eachGroup(
        _ probeQueries: Tensor, _ keys: Tensor, _ probeRows: [Int],
        _ body: (Tensor) throws -> Void
    ) throws {
        let (heads, m, width) = (
            probeQueries.shape[1], probeQueries.shape[2], probeQueries.shape[3]
        )
        let (keyValueHeads, n) = (keys.shape[1], keys.shape[2])
        let group = heads / keyValueHeads
        let device = try keys.device()
        let columns = try Tensor.range(n, on: device).reshaped([1, n])
        let visible = try columns <= Tensor(probeRows, shape: [m, 1], on: device)  // [m, n]
        let masked = try Tensor.filled(-.infinity, [1], .float32, on: device)
        let scale = 1 / Float(width).squareRoot()
        for head in 0..<keyValueHeads {
            let queries = try probeQueries.narrowed(1, from: head * group, count: group)
                .reshaped([group * m, width])
            let key = try keys.narrowed(1, from: head, count: 1).reshaped([n, width])
            let logits = try queries.matmul(key.transposed(0, 1)).converted(to: .float32) * scale
            try body(
                Tensor.where(visible, logits.reshaped([group, m, n]), else: masked).softmax(-1))
        }
    }
}
