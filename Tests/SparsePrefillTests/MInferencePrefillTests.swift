import SparsePrefill
import TestSupport
import Testing
import Torch

/// MInference's patterns against their definition, computed pair by pair.
@Suite struct MInferencePrefillTests {
    init() throws { try LoadedTorch.load() }

    private func attend(
        _ heads: RandomHeads, _ patterns: [MInferencePattern], denseLayers: [Int] = []
    ) throws -> LayerAttention {
        let layer = Dictionary(
            uniqueKeysWithValues: (0..<6).map { ($0, patterns[$0 % patterns.count]) })
        let policy = MInferencePrefill(
            patterns: MInferencePatterns(layers: [[:], layer]), denseLayers: denseLayers)
        return try policy.attend(heads.projections, in: heads.context)
    }

    /// The chosen columns and diagonals by their definition.
    private func verticalAndSlash(
        _ heads: RandomHeads, _ head: Int, _ vertical: Int, _ slash: Int
    ) -> (columns: Set<Int>, offsets: Set<Int>) {
        let n = heads.n
        var columns = [Double](repeating: 0, count: n)
        var offsets = [Double](repeating: 0, count: n)
        for row in max(0, n - 64)..<n {
            for (column, weight) in heads.attention(head, row).enumerated() {
                columns[column] += Double(weight)
                offsets[row - column] += Double(weight)
            }
        }
        func best(_ sums: [Double], _ count: Int, forced: Int) -> Set<Int> {
            let count = min(count, n)
            let forced = min(forced, count)
            let others = (forced..<n).sorted {
                sums[$0] != sums[$1] ? sums[$0] > sums[$1] : $0 < $1
            }
            return Set(0..<forced).union(others.prefix(count - forced))
        }
        return (best(columns, vertical, forced: 30), best(offsets, slash, forced: 100))
    }

    /// Everything computed, and no share saved; r is not a figure of this method.
    private func wholeReport(_ n: Int) -> LayerReport {
        var report = LayerReport.dense(n)
        report.paperShare = 1
        return report
    }

    @Test(
        arguments: RandomHeads.lengths,
        [(1, 0), (0, 1), (5, 8), (40, 130), (60, 220), (300, 150)])
    func verticalAndSlashComputesExactlyItsPairs(_ n: Int, _ sizes: (Int, Int)) throws {
        let heads = try RandomHeads(n)
        let attention = try attend(
            heads, [.verticalAndSlash(vertical: sizes.0, slash: sizes.1)])
        let chosen = (0..<6).map { verticalAndSlash(heads, $0, sizes.0, sizes.1) }
        let expected = try heads.output { head, row, column in
            chosen[head].columns.contains(column) || chosen[head].offsets.contains(row - column)
        }
        try expectClose(attention.output, expected, relative: 1e-5, "n \(n), \(sizes)")
        #expect(attention.rows == nil && attention.cachedRows == nil)
        #expect(attention.keys.shape == [1, 2, n, 8])
    }

    @Test(arguments: RandomHeads.lengths, [1, 2, 4])
    func blockSparseComputesExactlyItsBlocks(_ n: Int, _ count: Int) throws {
        let heads = try RandomHeads(n)
        let attention = try attend(heads, [.blockSparse(blocks: count)])
        let (queryRows, keyRows) = (try rows(heads.queries), try rows(heads.keys))
        func means(_ rows: [[Float]]) -> [[Double]] {
            stride(from: 0, to: n, by: 64).map { start in
                let part = rows[start..<min(start + 64, n)]
                return (0..<8).map { i in
                    part.reduce(0) { $0 + Double($1[i]) } / Double(part.count)
                }
            }
        }
        let chosen: [[Set<Int>]] = (0..<6).map { head in
            let (queries, keys) = (means(queryRows[head]), means(keyRows[head / 3]))
            return queries.indices.map { block in
                let scores = (0...block).map { key in
                    zip(queries[block], keys[key]).reduce(0) { $0 + $1.0 * $1.1 }
                }
                let best = scores.indices.sorted {
                    scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1
                }
                return Set(best.prefix(count)).union([block])
            }
        }
        let expected = try heads.output { head, row, column in
            chosen[head][row / 64].contains(column / 64)
        }
        try expectClose(attention.output, expected, relative: 1e-5, "n \(n), \(count) blocks")
    }

    /// [heads][n][d]
    private func rows(_ x: Tensor) throws -> [[[Float]]] {
        let flat: [Float] = try x.values()
        return (0..<x.shape[1]).map { head in
            (0..<x.shape[2]).map { row in
                let start = (head * x.shape[2] + row) * 8
                return Array(flat[start..<start + 8])
            }
        }
    }

    @Test(arguments: RandomHeads.lengths, [(1, 0), (0, 1), (4, 20), (70, 90)])
    func streamingSeesTheFirstAndTheMostRecent(_ n: Int, _ sizes: (Int, Int)) throws {
        let heads = try RandomHeads(n)
        let attention = try attend(heads, [.streaming(initial: sizes.0, local: sizes.1)])
        let expected = try heads.output { _, row, column in
            column < sizes.0 || row - column < sizes.1
        }
        try expectClose(attention.output, expected, relative: 1e-5, "n \(n), \(sizes)")
        #expect(attention.report.probePairs == 0)
    }

    @Test(arguments: RandomHeads.lengths)
    func patternsThatCoverEverythingAreDense(_ n: Int) throws {
        let heads = try RandomHeads(n)
        let dense = try heads.output { _, _, _ in true }
        for patterns in [
            [MInferencePattern.standard], [.blockSparse(blocks: 8)],
            [.streaming(initial: 1, local: n), .verticalAndSlash(vertical: n, slash: 0)],
        ] {
            let attention = try attend(heads, patterns)
            #expect(attention.report == wholeReport(n))
            try expectClose(attention.output, dense, relative: 1e-5, "\(patterns), n \(n)")
        }
    }

    @Test func headsOfDifferentPatternsAreCountedByThemselves() throws {
        let n = 500
        let heads = try RandomHeads(n)
        let attention = try attend(
            heads,
            [
                .standard, .streaming(initial: 4, local: 20),
                .verticalAndSlash(vertical: 40, slash: 10), .blockSparse(blocks: 2),
                .verticalAndSlash(vertical: 500, slash: 1), .streaming(initial: 400, local: 200),
            ])
        let report = attention.report
        let shares = [1, 24.0 / 500, 50.0 / 500, 128.0 / 500, 1, 1]
        #expect(abs(try #require(report.paperShare) - shares.reduce(0, +) / 6) < 1e-12)
        // The estimate runs for all heads; the pooled product has 8 x 9 / 2 visible pairs.
        let estimate = (436..<500).reduce(0.0) { $0 + Double($1 + 1) }
        #expect(abs(report.probePairs - (estimate + 36 / 6)) < 1e-9)
        #expect(report.pairs < LayerReport.visiblePairs(n))
        #expect(report.rows == ProjectionRows(all: n))
        #expect(report.attended == n && report.cached == n && report.kept == nil)
    }

    @Test func whatIsComputedIsCountedAndLess() throws {
        let n = 500
        let report = try attend(RandomHeads(n), [.streaming(initial: 4, local: 20)]).report
        let visible = (0..<n).reduce(0.0) { sum, row in
            sum + Double((0...row).count { $0 < 4 || row - $0 < 20 })
        }
        #expect(report.pairs >= visible)
        #expect(report.pairs < 0.7 * LayerReport.visiblePairs(n))
    }

    @Test func denseLayersAreDense() throws {
        let heads = try RandomHeads(200)
        let pattern = MInferencePattern.streaming(initial: 1, local: 4)
        #expect(try attend(heads, [pattern], denseLayers: [1]).report == wholeReport(200))
        #expect(try attend(heads, [pattern], denseLayers: [0]).report != wholeReport(200))
    }

    @Test func patternsOfAnotherModelAreRefused() throws {
        let heads = try RandomHeads(65)
        let tooManyHeads = MInferencePatterns(layers: [[6: .standard]])
        let tooManyLayers = MInferencePatterns(layers: Array(repeating: [:], count: 5))
        for patterns in [tooManyHeads, tooManyLayers] {
            #expect(throws: MInferencePatternsError.self) {
                try MInferencePrefill(patterns: patterns)
                    .attend(heads.projections, in: heads.context)
            }
        }
    }
}
