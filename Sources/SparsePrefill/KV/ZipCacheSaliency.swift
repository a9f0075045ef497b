package import Torch

/// Which entries of the prompt ZipCache (arXiv 2405.14256) keeps in four bits: for each KV head a
/// fixed share, by the attention of the last 5 % of the rows and of as many random ones before them,
/// summed over the head's query heads and divided by n - j.
package enum ZipCacheSaliency {
    /// Keeps these draws apart from the probes'.
    private static let stream = 2000

    /// - Parameter keys: [1, Hkv, n, d] of the layer's whole sequence, RoPE included.
    /// - Returns: round(share n) ascending rows for each KV head, and the rows that were probed.
    package static func salient(
        projections: LayerProjections, context: LayerContext, share: Double, seed: UInt64,
        keys: Tensor
    ) throws -> (byHead: [[Int]], probeRows: [Int]) {
        let n = keys.shape[2]
        let rows = probeRows(n, layer: context.layer, seed: seed)
        let scores = try TokenSaliency.groupScores(
            probeQueries: projections.queries(Tensor(rows, on: keys.device())), keys: keys,
            probeRows: rows)
        let byHead = scores.map { accumulated in
            Ranking.top(
                TokenSelection.count(share, of: n),
                of: accumulated.indices.map { accumulated[$0] / Float(n - $0) })
        }
        return (byHead, rows)
    }

    /// The last ceil(n / 20) rows and round(n / 20) of the others, ascending.
    static func probeRows(_ n: Int, layer: Int, seed: UInt64) -> [Int] {
        let pool = n - (n + 19) / 20
        var generator = SplitMix64(seed: seed, stream: stream + layer)
        return generator.sample(min((n + 10) / 20, pool), below: pool).sorted() + Array(pool..<n)
    }
}
