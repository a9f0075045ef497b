import SparsePrefill
import TestSupport
import Testing
import Torch

/// The probe rows' attention by the kernels against plain operators in float32 on the same bfloat16 numbers.
@Suite struct ProbeKernelTests {
    init() throws { try LoadedTorch.load() }

    struct Case: CustomTestStringConvertible {
        let width, group, keyValueHeads, n, probes: Int
        var amplitude: Float = 1
        var testDescription: String {
            "d \(width), \(keyValueHeads) x \(group) heads, n \(n), m \(probes), x \(amplitude)"
        }
    }

    static let cases = [
        Case(width: 128, group: 7, keyValueHeads: 2, n: 700, probes: 128),
        Case(width: 128, group: 7, keyValueHeads: 1, n: 1283, probes: 128, amplitude: 8),
        Case(width: 128, group: 1, keyValueHeads: 3, n: 65, probes: 65),
        Case(width: 128, group: 5, keyValueHeads: 1, n: 300, probes: 1),
        Case(width: 128, group: 2, keyValueHeads: 2, n: 131, probes: 33, amplitude: 30),
        Case(width: 64, group: 3, keyValueHeads: 2, n: 517, probes: 97),
        Case(width: 64, group: 4, keyValueHeads: 1, n: 1, probes: 1),
        Case(width: 64, group: 1, keyValueHeads: 1, n: 999, probes: 128, amplitude: 4),
    ]

    /// [1, heads, rows, d] in the middle of a wider buffer [rows, heads + 3, d].
    private func heads(
        _ heads: Int, _ rows: Int, _ width: Int, _ seed: UInt64, _ amplitude: Float
    ) throws -> Tensor {
        try (Tensor.random([rows, heads + 3, width], seed) * amplitude).converted(to: .bfloat16)
            .narrowed(1, from: 2, count: heads).unsqueezed(0).transposed(1, 2)
    }

    @Test(arguments: cases)
    func columnSumsAreThoseOfPlainOperators(_ c: Case) throws {
        for rule in [ProbeRule.random, .stratified] {
            let half = c.probes / 2
            let rows = ProbeRows(
                recent: c.probes - half, random: half, seed: UInt64(c.n), rule: rule
            ).rows(of: PromptLayout(count: c.n, visual: 0..<c.n), layer: 3)
            let queries = try heads(
                c.group * c.keyValueHeads, rows.count, c.width, 1, c.amplitude)
            let keys = try heads(c.keyValueHeads, c.n, c.width, 2, c.amplitude)
            let finished = try Tensor.zeros([64], .int32)
            func sums() throws -> Tensor {
                try #require(
                    try ProbeAttention.columnSums(
                        queries: queries, keys: keys, rows: Tensor(rows), finished: finished,
                        on: Emulator()))
            }
            let parts = try sums()
            let actual = try parts.sum([1])
            let expected = try TokenSaliency.plainSums(
                probeQueries: queries, keys: keys, probeRows: rows
            ).sum([1])
            // The products are exact in float32. A logit is as exact as its size allows.
            let relative = 2e-4 * max(1, c.amplitude * c.amplitude / 64)
            let (a, e): ([Float], [Float]) = (try actual.values(), try expected.values())
            for (column, (a, e)) in zip(a, e).enumerated() {
                #expect(abs(a - e) <= relative * e + 1e-6, "column \(column): \(a), not \(e)")
            }
            #expect(try finished.values(as: Int32.self).allSatisfy { $0 == 0 })
            #expect(try sums().values(as: Float.self) == parts.values(), "twice the same bits")
        }
    }

    @Test func keysBeyondTheLastProbeGetNothing() throws {
        let queries = try heads(2, 2, 64, 1, 1)
        let keys = try heads(1, 600, 64, 2, 1)
        let sums = try #require(
            try ProbeAttention.columnSums(
                queries: queries, keys: keys, rows: Tensor([3, 200]), on: Emulator()))
        let columns: [Float] = try sums.sum([0, 1]).values()
        #expect(columns[201...].allSatisfy { $0 == 0 })
        #expect(columns[...200].allSatisfy { $0 > 0 })
        #expect(abs(columns.reduce(0, +) - 4) < 1e-4)
    }

    @Test func whatTheKernelsCannotReadIsLeftToPlainOperators() throws {
        func isServed(_ queries: Tensor, _ keys: Tensor) throws -> Bool {
            try ProbeAttention.columnSums(
                queries: queries, keys: keys, rows: Tensor([0, 1]), on: Emulator()) != nil
        }
        let (queries, keys) = (try heads(2, 2, 64, 1, 1), try heads(1, 9, 64, 2, 1))
        #expect(try isServed(queries, keys))
        #expect(try !isServed(queries.converted(to: .float32), keys.converted(to: .float32)))
        #expect(try !isServed(heads(2, 2, 32, 1, 1), heads(1, 9, 32, 2, 1)))
        #expect(try !isServed(queries, Tensor.random([1, 1, 64, 9], 1).transposed(2, 3)))
    }
}
