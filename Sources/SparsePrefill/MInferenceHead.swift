import Torch

/// Sparse attention of one head, block of queries by block of queries: of each block's keys only those
/// are gathered that one of its rows sees, and a mask takes out the pairs that no one asked for.
struct MInferenceHead {
    /// [1, 1, n, d] each.
    let queries, keys, values: Tensor
    /// A view [1, 1, n, d] of the layer's output.
    let output: Tensor

    var n: Int { queries.shape[2] }

    /// Rows first..<first + count over some columns.
    ///
    /// - Parameters:
    ///   - index: the columns; `nil` is all up to the block's end.
    ///   - mask: [count, columns], added to the logits
    /// - Returns: pairs computed, masked ones included.
    private func attend(
        _ first: Int, _ count: Int, columns index: Tensor?, mask: Tensor
    ) throws -> Double {
        let key: Tensor
        let value: Tensor
        if let index {
            (key, value) = (try keys.gathered(2, index), try values.gathered(2, index))
        } else {
            key = try keys.narrowed(2, from: 0, count: first + count)
            value = try values.narrowed(2, from: 0, count: first + count)
        }
        let attended = try queries.narrowed(2, from: first, count: count)
            .attention(keys: key, values: value, mask: mask)
        try output.narrowed(2, from: first, count: count).overwrite(with: attended)
        return Double(count) * Double(key.shape[2])
    }

    func attendDense() throws -> Double {
        try output.overwrite(with: queries.attention(keys: keys, values: values, isCausal: true))
        return LayerReport.visiblePairs(n)
    }

    /// - Returns: pairs computed.
    func attend(_ blocks: MInferenceBlocks) throws -> Double {
        let side = MInferenceBlocks.side
        let device = try queries.device()
        let dtype = try queries.dtype()
        let triangle = try MInferenceMasks(block: side, n: side, dtype, on: device)
            .causal(from: 0, side)
        var pairs = 0.0
        for (block, chosen) in blocks.chosen.enumerated().reversed() {
            let first = block * side
            let count = min(side, n - first)
            let columns = chosen.flatMap { $0 * side..<min(($0 + 1) * side, n) }
            // Only the block's own keys lie in the future of some of its rows.
            let own = try triangle.narrowed(0, from: 0, count: count)
                .narrowed(1, from: 0, count: count)
            let mask =
                chosen.count == 1
                ? own
                : try Tensor.concatenated(
                    [.zeros([count, columns.count - count], dtype, on: device), own], axis: 1)
            let isAll = columns.count == first + count
            pairs += try attend(
                first, count, columns: isAll ? nil : Tensor(columns, on: device), mask: mask)
        }
        return pairs
    }

    /// - Returns: pairs computed.
    func attend(_ pairs: MInferencePairs) throws -> Double {
        let plan = MInferenceTiling.best(of: pairs, n: n)
        let device = try queries.device()
        let masks = try MInferenceMasks(
            block: plan.block, n: n, offsets: pairs.offsets, queries.dtype(), on: device)
        // 0 for chosen columns: times this the mask of the diagonals shows them.
        var otherColumns = [Float](repeating: 1, count: n)
        for column in pairs.columns { otherColumns[column] = 0 }
        let others = try Tensor(otherColumns, shape: [1, n], on: device)
            .converted(to: queries.dtype())
        var computed = 0.0
        // From the end: the largest block first, so that all others find room in what it gave back.
        for first in stride(from: 0, to: n, by: plan.block).reversed() {
            let count = min(plan.block, n - first)
            let end = first + count
            let columns = plan.columns(first: first, end: end, otherColumns: otherColumns)
            let all = MInferenceTiling.takesAll(columns.count, of: end)
            let some = all ? nil : columns
            let index = try some.map { try Tensor($0, on: device) }
            let shown = try index.map { try others.gathered(1, $0) }
            let mask =
                try masks.diagonals(from: first, count, columns: some)
                * (shown ?? others.narrowed(1, from: 0, count: end))
                + masks.causal(from: first, count, columns: some)
            computed += try attend(first, count, columns: index, mask: mask)
        }
        return computed
    }
}
