import TestSupport
import Testing
import Torch

@testable import SparsePrefill

/// MInference's kernels against the plain operators, which `MInferencePrefillTests` holds to the
/// definition.
@Suite struct MInferenceKernelTests {
    init() throws { try LoadedTorch.load() }

    /// Heads as a projection leaves them: [1, H, n, d] over memory [n, H, d].
    private struct Layer {
        let queries, keys, values: Tensor

        init(_ n: Int, heads: Int, keyValueHeads: Int, width: Int) throws {
            func random(_ heads: Int, _ scale: Float, _ seed: UInt64) throws -> Tensor {
                try (Tensor.random([1, n, heads, width], seed + UInt64(n)) * scale)
                    .converted(to: .bfloat16).transposed(1, 2)
            }
            queries = try random(heads, 3, 1)
            keys = try random(keyValueHeads, 2, 2)
            values = try random(keyValueHeads, 1, 3)
        }

        func plain(_ patterns: [MInferencePattern]) throws -> (Tensor, MInferenceChoice) {
            let wide = try [queries, keys, values].map { try $0.converted(to: .float32) }
            let choice = try MInferenceChoice(patterns, queries: wide[0], keys: wide[1])
            let output = try choice.attend(queries: wide[0], keys: wide[1], values: wide[2]).output
            return (output, choice)
        }
    }

    private static let mixed: [MInferencePattern] = [
        .verticalAndSlash(vertical: 40, slash: 130), .streaming(initial: 4, local: 20),
        .standard, .verticalAndSlash(vertical: 3, slash: 101),
    ]

    @Test(
        arguments: [(129, 64), (200, 128), (577, 64), (600, 128)], [64, 128])
    func outputsAreThePlainOperators(_ size: (n: Int, width: Int), _ rows: Int) throws {
        let layer = try Layer(size.n, heads: 4, keyValueHeads: 2, width: size.width)
        try expectPlain(layer, Self.mixed, rows: [rows])
    }

    @Test(arguments: [
        [
            MInferencePattern.verticalAndSlash(vertical: 1, slash: 0),
            .streaming(initial: 0, local: 1),
        ],
        [.blockSparse(blocks: 1), .blockSparse(blocks: 3)],
        [.blockSparse(blocks: 2), .verticalAndSlash(vertical: 60, slash: 105)],
        [.streaming(initial: 300, local: 2), .verticalAndSlash(vertical: 0, slash: 150)],
        [.blockSparse(blocks: 8), .streaming(initial: 500, local: 1)],
    ])
    func everyPatternIsComputed(_ patterns: [MInferencePattern]) throws {
        let layer = try Layer(450, heads: 2, keyValueHeads: 1, width: 64)
        try expectPlain(layer, patterns, rows: MInferenceKernels.blocks)
    }

    private func expectPlain(
        _ layer: Layer, _ patterns: [MInferencePattern], rows: [Int]
    ) throws {
        let emulator = Emulator()
        let (expected, choice) = try layer.plain(patterns)
        let kernels = try #require(
            try MInferenceKernels(patterns, queries: layer.queries, keys: layer.keys))
        let (plan, pairs, probePairs) = try kernels.plan(blocks: rows, on: emulator)
        let output = try kernels.attend(plan, values: layer.values, on: emulator)
        #expect(output.shape == expected.shape)
        // Weights are rounded to bfloat16 before they meet the values.
        try expectClose(output, expected, relative: 0x1p-7, "\(patterns), rows \(plan.rows)")
        #expect(probePairs == choice.probePairs)
        #expect(
            pairs == choice.heads.reduce(0) { $0 + computed($1, layer.keys.shape[2], plan.rows) },
            "\(patterns), rows \(plan.rows)")
    }

    /// Pairs of the tiles, block by block: those that the diagonals touch, from the nearest on, and the
    /// columns.
    private func computed(_ head: MInferenceChoice.Head, _ n: Int, _ rows: Int) -> Double {
        var sum = 0
        switch head {
        case .dense: return LayerReport.visiblePairs(n)
        case .blocks(let blocks):
            for (block, chosen) in blocks.chosen.enumerated() {
                let end = min(64 * (block + 1), n)
                sum += (end - 64 * block) * (64 * (chosen.count - 1) + end - 64 * block)
            }
        case .pairs(let pairs):
            for first in stride(from: 0, to: n, by: rows) {
                let end = min(first + rows, n)
                var touched = [Bool](repeating: false, count: first + rows)
                for row in first..<first + rows {
                    for offset in pairs.offsets where offset <= row { touched[row - offset] = true }
                }
                var (tiles, keys) = (0, 0)
                var column = first + rows - 1
                while column >= 0 {
                    guard touched[column] else {
                        column -= 1
                        continue
                    }
                    let start = column - 63
                    if start < end {
                        tiles += 1
                        keys += min(column + 1, end) - max(start, 0)
                    }
                    column = start - 1
                }
                let columns = pairs.columns.count { $0 < end }
                tiles += (columns + 63) / 64
                sum += (end - first) * (tiles >= (end + 63) / 64 ? end : keys + columns)
            }
        }
        return Double(sum)
    }

    @Test(arguments: [(130, 64), (513, 128)])
    func theEstimateIsThePlainOperators(_ size: (n: Int, width: Int)) throws {
        let layer = try Layer(size.n, heads: 4, keyValueHeads: 2, width: size.width)
        let kernels = try #require(
            try MInferenceKernels(Self.mixed, queries: layer.queries, keys: layer.keys))
        let sums = try kernels.estimate(on: Emulator())
        let plain = try MInferenceEstimate(
            queries: layer.queries.converted(to: .float32),
            keys: layer.keys.converted(to: .float32))
        let shape = [4, size.n]
        try expectClose(
            sums.columns, Tensor(plain.columnSums.flatMap { $0 }, shape: shape), relative: 1e-5,
            "columns")
        try expectClose(
            sums.diagonals, Tensor(plain.offsetSums.flatMap { $0 }, shape: shape), relative: 1e-5,
            "diagonals")
    }

    @Test func whatTheKernelsCannotReadIsLeftToThePlainOperators() throws {
        func serves(_ layer: Layer) throws -> Bool {
            try MInferenceKernels(Self.mixed, queries: layer.queries, keys: layer.keys) != nil
        }
        #expect(try serves(Layer(129, heads: 4, keyValueHeads: 2, width: 64)))
        #expect(try !serves(Layer(128, heads: 4, keyValueHeads: 2, width: 64)))
        #expect(try !serves(Layer(129, heads: 4, keyValueHeads: 2, width: 32)))
        let layer = try Layer(129, heads: 4, keyValueHeads: 2, width: 64)
        let wide = try layer.queries.converted(to: .float32)
        #expect(try MInferenceKernels(Self.mixed, queries: wide, keys: layer.keys) == nil)
    }
}
