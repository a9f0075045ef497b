import SparsePrefill
import TestSupport
import Testing
import Torch

/// QK-sparse against its definition, computed pair by pair.
@Suite struct QKSparsePrefillTests {
    init() throws { try LoadedTorch.load() }

    private func attend(
        _ heads: RandomHeads, ratio: Double, norm: ScoreNormalization = .exact,
        denseLayers: [Int] = []
    ) throws -> LayerAttention {
        let policy = QKSparsePrefill(
            ratio: ratio, probes: ProbeRows(recent: 16, random: 16, seed: 3), norm: norm,
            denseLayers: denseLayers)
        return try policy.attend(heads.projections, in: heads.context)
    }

    @Test(arguments: RandomHeads.lengths)
    func keptRowsAttendToKeptRowsAndTheOthersGiveZero(_ n: Int) throws {
        let heads = try RandomHeads(n)
        let attention = try attend(heads, ratio: 0.6)
        let kept = try #require(attention.report.keptPerHead)
        let sets = kept.map(Set.init)
        let expected = try heads.output { head, row, column in
            sets[head].contains(row) && sets[head].contains(column)
        }
        try expectClose(attention.output, expected, relative: 1e-5, "n \(n)")
        #expect(attention.rows == nil && attention.cachedRows == nil)
        #expect(attention.keys.shape == [1, 2, n, 8])
    }

    @Test(arguments: RandomHeads.lengths, ScoreNormalization.allCases)
    func eachHeadKeepsItsForcedRowsAndItsBestOthers(
        _ n: Int, _ norm: ScoreNormalization
    ) throws {
        let heads = try RandomHeads(n)
        let report = try attend(heads, ratio: 0.6, norm: norm).report
        let kept = try #require(report.keptPerHead)
        let layout = heads.context.layout
        let forced = (0..<n).filter(layout.isForced)
        let wanted = max(forced.count, Int((0.6 * Double(n)).rounded(.toNearestOrAwayFromZero)))
        var mass = 0.0
        for (head, rows) in kept.enumerated() {
            var scores = [Double](repeating: 0, count: n)
            for probe in report.probes {
                for (column, weight) in heads.attention(head, probe).enumerated() {
                    scores[column] += Double(weight)
                }
            }
            let ranks = scores.indices.map { column in
                let seen = report.probes.count { $0 >= column }
                return scores[column] / Double(norm == .exact ? max(seen, 1) : n - column)
            }
            let others = (0..<n).filter { !layout.isForced($0) }
                .sorted { ranks[$0] != ranks[$1] ? ranks[$0] > ranks[$1] : $0 < $1 }
            let expected = (forced + others.prefix(wanted - forced.count)).sorted()
            #expect(rows == expected, "head \(head) of n \(n)")
            mass += rows.reduce(0) { $0 + scores[$1] } / scores.reduce(0, +) / 6
        }
        #expect(abs(try #require(report.massKept) - mass) < 1e-5)
    }

    @Test func theReportCountsPairsPerHeadAndEveryRowOfTheLinears() throws {
        let report = try attend(RandomHeads(500), ratio: 0.6).report
        #expect(report.attended == 300 && report.cached == 500)
        #expect(report.pairs == 300 * 301 / 2)
        #expect(report.probePairs == report.probes.reduce(0) { $0 + Double($1 + 1) })
        #expect(report.rows == ProjectionRows(all: 500))
        #expect(report.paperRatio == nil && report.paperShare == nil)
        let kept = try #require(report.keptPerHead)
        #expect(Set(kept).count > 1, "heads choose for themselves")
    }

    @Test(arguments: RandomHeads.lengths) func ratioOneIsDense(_ n: Int) throws {
        let heads = try RandomHeads(n)
        let attention = try attend(heads, ratio: 1)
        #expect(attention.report == .dense(n))
        try expectClose(
            attention.output, heads.output { _, _, _ in true }, relative: 1e-5, "n \(n)")
    }

    @Test func denseLayersAreDense() throws {
        let heads = try RandomHeads(200)
        #expect(try attend(heads, ratio: 0.5, denseLayers: [1]).report == .dense(200))
        #expect(try attend(heads, ratio: 0.5, denseLayers: [0]).report != .dense(200))
    }
}
