import TestSupport
import Testing
import Torch

@Suite struct RandomTensorTests {
    init() throws { try LoadedTorch.load() }

    @Test func `Numbers are spread evenly, and neighbours know nothing of one another`() throws {
        let (rows, width) = (400, 500)
        let values: [Float] = try Tensor.uniform(
            [rows, width], bound: 2, seed: 7, stream: 3
        ).values()
        let count = Double(values.count)
        #expect(values.allSatisfy { $0 >= -2 && $0 < 2 })
        // Standard errors: 2 / sqrt(3 n) for the mean, sqrt(n / 16) for a sixteenth's count.
        #expect(abs(values.reduce(0.0) { $0 + Double($1) } / count) < 0.013)
        var bins = [Double](repeating: 0, count: 16)
        for value in values { bins[Int((value + 2) * 4)] += 1 }
        #expect(bins.allSatisfy { abs($0 - count / 16) < 5 * (count / 16).squareRoot() })
        for distance in [1, 2, width, width + 1] {
            var product = 0.0
            for index in 0..<values.count - distance {
                product += Double(values[index]) * Double(values[index + distance])
            }
            // The variance is 4 / 3, the product's standard error 4 / 3 / sqrt(n).
            #expect(abs(product / count) < 5 * 4 / 3 / count.squareRoot())
        }
    }

    @Test func `Seed and stream decide, and nothing else`() throws {
        func numbers(_ seed: UInt64, _ stream: Int, _ shape: [Int]) throws -> [Float] {
            try Tensor.uniform(shape, seed: seed, stream: stream).values()
        }
        let first = try numbers(1, 1, [30, 8])
        #expect(try numbers(1, 1, [30, 8]) == first)
        #expect(try numbers(1, 1, [30, 2, 4]) == first)
        // Rows come one by one, whatever follows them.
        #expect(try numbers(1, 1, [50, 8]).prefix(240) == first[...])
        #expect(try numbers(2, 1, [30, 8]) != first)
        #expect(try numbers(1, 2, [30, 8]) != first)
        let half = try Tensor.uniform([30, 8], seed: 1, stream: 1, .bfloat16)
            .converted(to: .float32).values(as: Float.self)
        #expect(zip(half, first).allSatisfy { abs($0 - $1) <= abs($1) / 256 })
    }

    @Test func `Parts that are made one after the other join without a seam`() throws {
        // More than is made at once, in rows that do not divide it.
        let (rows, width) = (5, 5_000_000)
        let large = try Tensor.uniform([rows, width], seed: 3, stream: 0)
        let last: [Float] = try large.narrowed(0, from: rows - 1, count: 1)
            .narrowed(1, from: 0, count: 4).values()
        let small: [Float] = try Tensor.uniform([rows, 4], seed: 3, stream: 0)
            .narrowed(0, from: rows - 1, count: 1).values()
        #expect(last == small)
    }
}
