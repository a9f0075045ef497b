import Torch

/// How much attention the probe rows pay to each token.
enum TokenSaliency {
    /// Accumulated attention a_j (ZipVL Eq. 5), mean over heads: [n], float32.
    ///
    /// - Parameters:
    ///   - probeQueries: [1, H, m, d], RoPE included.
    ///   - keys: [1, Hkv, n, d]
    ///   - probeRows: the m original positions of the probe queries; row i sees columns <= i.
    static func scores(
        probeQueries: Tensor, keys: Tensor, probeRows: [Int]
    ) throws -> [Float] {
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

        // One KV head at a time: all heads at once would be H m n floats, 266 MB at 128 frames.
        var total = try Tensor.zeros([n], .float32, on: device)
        for head in 0..<keyValueHeads {
            let queries = try probeQueries.narrowed(1, from: head * group, count: group)
                .reshaped([group * m, width])
            let key = try keys.narrowed(1, from: head, count: 1).reshaped([n, width])
            let logits = try queries.matmul(key.transposed(0, 1)).converted(to: .float32) * scale
            let attention = try Tensor.where(visible, logits.reshaped([group, m, n]), else: masked)
                .softmax(-1)
            total = try total + attention.sum([0, 1])
        }
        return try (total * (1 / Float(heads))).values()
    }
}
