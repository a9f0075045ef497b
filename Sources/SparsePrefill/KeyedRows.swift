import Torch

/// Causal attention of every row to a selected set of keys.
enum KeyedRows {
    struct Blocks: Equatable {
        /// Rows that share one mask: long enough for the matrix products, short enough that few masked
        /// pairs are computed.
        var rows: Int
        /// The query heads of a group become rows of one attention, so that no key is copied for each.
        var joinsHeads: Bool

        static func standard(on device: Device) -> Blocks {
            device == .cpu
                ? Blocks(rows: 64, joinsHeads: false) : Blocks(rows: 512, joinsHeads: true)
        }
    }

    /// - Parameters:
    ///   - queries: [1, H, n, d]
    ///   - keys: [1, Hkv, T, d], values alike.
    ///   - keyRows: the T ascending rows of the keys; row i sees those <= i.
    ///   - blocks: `nil` takes the device's usual ones.
    /// - Returns: [1, H, n, d], zero for rows that see no key, and the pairs that were computed, masked
    ///   ones included.
    static func attention(
        queries: Tensor, keys: Tensor, values: Tensor, keyRows: [Int], blocks: Blocks? = nil
    ) throws -> (output: Tensor, pairs: Double) {
        let (heads, n, width) = (queries.shape[1], queries.shape[2], queries.shape[3])
        let device = try queries.device()
        let dtype = try queries.dtype()
        let columns = try Tensor(keyRows, shape: [1, keyRows.count], on: device)
        // Added to the logits: twice as fast on a CPU as a mask of truth values.
        let seen = try Tensor.zeros([1], dtype, on: device)
        let hidden = try Tensor.filled(Tensor.hidden, [1], dtype, on: device)
        let first = keyRows.first ?? n
        let output = try Tensor.empty(queries.shape, dtype, on: device)
        if first > 0 {
            try output.narrowed(2, from: 0, count: first)
                .overwrite(with: Tensor.zeros([1, heads, first, width], dtype, on: device))
        }
        let blocks = blocks ?? .standard(on: device)
        let group = blocks.joinsHeads ? heads / keys.shape[1] : 1
        var pairs = 0.0
        var visible = 0
        for start in stride(from: first, to: n, by: blocks.rows) {
            let count = min(blocks.rows, n - start)
            while visible < keyRows.count, keyRows[visible] < start + count { visible += 1 }
            let rows = try Tensor(Array(start..<start + count), shape: [count, 1], on: device)
            let mask = try Tensor.where(
                columns.narrowed(1, from: 0, count: visible) <= rows, seen, else: hidden)
            let asking = try queries.narrowed(2, from: start, count: count)
                .reshaped([1, heads / group, group * count, width])
            let attended = try asking.attention(
                keys: keys.narrowed(2, from: 0, count: visible),
                values: values.narrowed(2, from: 0, count: visible),
                mask: group == 1
                    ? mask
                    : mask.unsqueezed(0).expanded([group, -1, -1]).reshaped([group * count, -1]))
            try output.narrowed(2, from: start, count: count)
                .overwrite(with: attended.reshaped([1, heads, count, width]))
            pairs += Double(count) * Double(visible)
        }
        return (output, pairs)
    }
}
