import Torch

/// Causal attention of every row to a selected set of keys.
enum KeyedRows {
    /// Rows that share one mask: long enough for the matrix products, short enough that few masked
    /// pairs are computed.
    private static let block = 64

    /// - Parameters:
    ///   - queries: [1, H, n, d]
    ///   - keys: [1, Hkv, T, d], values alike.
    ///   - keyRows: the T ascending rows of the keys; row i sees those <= i.
    ///   - bucket: the number of keys that a block computes is rounded up to a multiple, masked, where a device
    ///     prepares its attention for every length that it meets.
    /// - Returns: [1, H, n, d], zero for rows that see no key, and the pairs that were computed, masked
    ///   ones included.
    static func attention(
        queries: Tensor, keys: Tensor, values: Tensor, keyRows: [Int], bucket: Int = 1
    ) throws -> (output: Tensor, pairs: Double) {
        let (heads, n, width) = (queries.shape[1], queries.shape[2], queries.shape[3])
        let device = try queries.device()
        let dtype = try queries.dtype()
        let columns = try Tensor(keyRows, shape: [1, keyRows.count], on: device)
        // Added to the logits: twice as fast on a CPU as a mask of truth values.
        let seen = try Tensor.zeros([1], dtype, on: device)
        let hidden = try Tensor.filled(-1e30, [1], dtype, on: device)
        let first = keyRows.first ?? n
        let output = try Tensor.empty(queries.shape, dtype, on: device)
        if first > 0 {
            try output.narrowed(2, from: 0, count: first)
                .overwrite(with: Tensor.zeros([1, heads, first, width], dtype, on: device))
        }
        var pairs = 0.0
        var visible = 0
        for start in stride(from: first, to: n, by: block) {
            let count = min(block, n - start)
            while visible < keyRows.count, keyRows[visible] < start + count { visible += 1 }
            let rows = try Tensor(Array(start..<start + count), shape: [count, 1], on: device)
            let computed = min((visible + bucket - 1) / bucket * bucket, keyRows.count)
            let mask = try Tensor.where(
                columns.narrowed(1, from: 0, count: computed) <= rows, seen, else: hidden)
            let attended = try queries.narrowed(2, from: start, count: count).attention(
                keys: keys.narrowed(2, from: 0, count: computed),
                values: values.narrowed(2, from: 0, count: computed), mask: mask)
            try output.narrowed(2, from: start, count: count).overwrite(with: attended)
            pairs += Double(count) * Double(computed)
        }
        return (output, pairs)
    }
}
