import TestSupport
import Testing
import Torch

@testable import SparsePrefill

struct KeyedRowsTests {
    @Test(arguments: [2, 64, 256, 1000])
    func `Keys that are computed for a round number change nothing`(_ bucket: Int) throws {
        try LoadedTorch.load()
        let n = 333
        let keyRows = (0..<n).filter { $0 % 3 == 1 || $0 > 300 }
        let queries = try Tensor.random([1, 4, n, 16], 1)
        let keys = try Tensor.random([1, 2, keyRows.count, 16], 2)
        let values = try Tensor.random([1, 2, keyRows.count, 16], 3)
        let exact = try KeyedRows.attention(
            queries: queries, keys: keys, values: values, keyRows: keyRows)
        let rounded = try KeyedRows.attention(
            queries: queries, keys: keys, values: values, keyRows: keyRows, bucket: bucket)
        try expectClose(rounded.output, exact.output, relative: 1e-5, "bucket \(bucket)")
        #expect(rounded.pairs > exact.pairs)
        #expect(rounded.pairs <= Double(n * keyRows.count))
    }
}
