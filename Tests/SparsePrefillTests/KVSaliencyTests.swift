import Foundation
import TestSupport
import Testing
import Torch

@testable import SparsePrefill

/// Which cache entries get four bits, against sums over plain arrays.
@Suite struct KVSaliencyTests {
    /// Softmax of a row over the keys it sees, for each query head.
    private func attention(_ layer: RandomLayer, _ row: Int) throws -> [[Double]] {
        let (n, d, group) = (layer.n, 8, 3)
        let queries: [Float] = try layer.queries.values()
        let keys: [Float] = try layer.keys.values()
        return (0..<6).map { head in
            let logits = (0...row).map { column -> Double in
                let (q, k) = ((head * n + row) * d, (head / group * n + column) * d)
                var sum = 0.0
                for channel in 0..<d { sum += Double(queries[q + channel] * keys[k + channel]) }
                return sum / 8.0.squareRoot()
            }
            let largest = logits.max() ?? 0
            let weights = logits.map { exp($0 - largest) }
            let total = weights.reduce(0, +)
            let unseen = [Double](repeating: 0, count: n - 1 - row)
            return weights.map { $0 / total } + unseen
        }
    }

    private func best(_ count: Int, _ scores: [Double]) -> [Int] {
        scores.indices.sorted { scores[$0] > scores[$1] }.prefix(count).sorted()
    }

    /// Drawn by the rule as another implementation (Fixtures/zipvl_oracle.py) draws.
    @Test(
        arguments: [
            (110, 3, 0, [11, 27, 48, 77, 94, 101, 104, 105, 106, 107, 108, 109]),
            (50, 0, 7, [1, 31, 41, 47, 48, 49]), (9, 1, 0, [8]), (1, 0, 0, [0]),
        ] as [(Int, Int, UInt64, [Int])])
    func zipCacheProbesWithTheLastRowsAndRandomOnes(
        _ n: Int, _ layer: Int, _ seed: UInt64, _ rows: [Int]
    ) {
        #expect(ZipCacheSaliency.probeRows(n, layer: layer, seed: seed) == rows)
    }

    @Test(arguments: [0.6, 0.7, 0, 1])
    func zipCacheKeepsItsShareOfEveryHead(_ share: Double) throws {
        try LoadedTorch.load()
        let layer = try RandomLayer(110)
        let salient = try ZipCacheSaliency.salient(
            projections: layer.projections, context: layer.context(layer: 3), share: share,
            seed: 0, keys: layer.keys)
        var scores = [[Double]](repeating: [Double](repeating: 0, count: 110), count: 2)
        for row in ZipCacheSaliency.probeRows(110, layer: 3, seed: 0) {
            for (head, weights) in try attention(layer, row).enumerated() {
                for column in 0..<110 {
                    scores[head / 3][column] += weights[column] / Double(110 - column)
                }
            }
        }
        #expect(salient.byHead == scores.map { best(Int((share * 110).rounded()), $0) })
    }

    /// More probe rows than are attended at once.
    @Test func zipCacheSumsOverAllProbeRowsOfALongPrompt() throws {
        try LoadedTorch.load()
        let n = 1500
        let layer = try RandomLayer(n)
        let salient = try ZipCacheSaliency.salient(
            projections: layer.projections, context: layer.context(), share: 0.6, seed: 0,
            keys: layer.keys)
        let rows = ZipCacheSaliency.probeRows(n, layer: 1, seed: 0)
        #expect(rows.count == 150)
        let scores = try TokenSaliency.groupScores(
            probeQueries: layer.queries.gathered(2, Tensor(rows)), keys: layer.keys,
            probeRows: rows)
        for (chosen, scores) in zip(salient.byHead, scores) {
            let expected = best(900, scores.enumerated().map { Double($1) / Double(n - $0) })
            // The sums are added in another order: a tie may go the other way.
            #expect(Set(chosen).symmetricDifference(expected).count <= 2)
        }
    }

    @Test func generatedTokensAreJudgedByTheLatestQuery() throws {
        try LoadedTorch.load()
        let (n, new) = (150, 100)
        let layer = try RandomLayer(n)
        let query = try layer.queries.narrowed(2, from: n - 1, count: 1)
        func salient(_ rule: GeneratedSaliency) throws -> [[Int]] {
            try rule.salient(query: query, keys: layer.keys, count: new)
        }
        let heads = try attention(layer, n - 1)
        func sum(_ heads: some Sequence<[Double]>) -> [Double] {
            heads.reduce([Double](repeating: 0, count: n)) { zip($0, $1).map { $0 + $1 } }
        }
        let all = sum(heads)
        #expect(try salient(.share(0.421)) == [best(42, Array(all.suffix(new)))])
        #expect(
            try salient(.shareOfEachHead(0.6)) == [
                best(60, Array(sum(heads[0..<3]).suffix(new))),
                best(60, Array(sum(heads[3..<6]).suffix(new))),
            ])
        // Eq. 6 counts over the whole row: the prompt's entries take part.
        let order = all.indices.sorted { all[$0] > all[$1] }
        for tau in [0.9, 0.9999] {
            var mass = 0.0
            let last = order.firstIndex {
                mass += all[$0]
                return mass >= tau * 6
            }
            let chosen = order.prefix(try #require(last) + 1)
            let expected = chosen.filter { $0 >= n - new }.map { $0 - (n - new) }.sorted()
            #expect(try salient(.mass(tau)) == [expected])
            #expect(!expected.isEmpty && expected.count < new)
        }
    }
}
