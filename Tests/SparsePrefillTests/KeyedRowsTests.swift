import TestSupport
import Testing
import Torch

@testable import SparsePrefill

struct KeyedRowsTests {
    @Test(arguments: [1, 64, 100, 1000], [true, false])
    func `Every row attends to the keys up to it, whatever the blocks`(
        _ rows: Int, _ joinsHeads: Bool
    ) throws {
        try LoadedTorch.load()
        let n = 333
        let keyRows = (0..<n).filter { $0 % 3 == 1 || $0 > 300 }
        let queries = try Tensor.random([1, 4, n, 16], 1)
        let keys = try Tensor.random([1, 2, keyRows.count, 16], 2)
        let values = try Tensor.random([1, 2, keyRows.count, 16], 3)
        let blocks = KeyedRows.Blocks(rows: rows, joinsHeads: joinsHeads)
        let (output, pairs) = try KeyedRows.attention(
            queries: queries, keys: keys, values: values, keyRows: keyRows, blocks: blocks)

        // Row 0 sees no key.
        let seen = try Tensor(
            (1..<n).flatMap { row in keyRows.map { $0 <= row ? Float(0) : -1e30 } },
            shape: [n - 1, keyRows.count])
        let all = try queries.narrowed(2, from: 1, count: n - 1)
            .attention(keys: keys, values: values, mask: seen)
        try expectClose(
            output.narrowed(2, from: 1, count: n - 1), all, relative: 1e-5, "\(blocks)")
        #expect(
            try output.narrowed(2, from: 0, count: 1).contiguous().values(as: Float.self).allSatisfy
            { $0 == 0 })
        let visible = keyRows.reduce(0) { $0 + n - $1 }
        #expect(pairs >= Double(visible))
        #expect(pairs <= Double((n - 1) * keyRows.count))
        if rows == 1 { #expect(pairs == Double(visible)) }
    }
}
