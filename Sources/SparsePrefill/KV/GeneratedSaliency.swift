package import Torch

/// Which of the generated tokens that leave the 16-bit buffer get four bits. Only the latest query is
/// asked, as in ZipVL's and ZipCache's decoding; with one row there is nothing to normalise by.
package enum GeneratedSaliency: Sendable, Equatable {
    /// Eqs. 6-9 of ZipVL on the whole row: the fewest entries that hold tau of it, the prompt's among
    /// them.
    case mass(Double)
    /// The best-scored share of the new tokens, one set for all heads.
    case share(Double)
    /// The same for each KV head.
    case shareOfEachHead(Double)

    /// - Parameters:
    ///   - query: [1, H, 1, d], RoPE included.
    ///   - keys: [1, Hkv, n, d]; the last `count` are the new tokens'.
    /// - Returns: ascending, in 0..<count: one list for all KV heads or one for each.
    package func salient(query: Tensor, keys: Tensor, count: Int) throws -> [[Int]] {
        let n = keys.shape[2]
        let last = [n - 1]
        switch self {
        case .mass(let tau):
            let scores = TokenScores(
                try TokenSaliency.scores(probeQueries: query, keys: keys, probeRows: last),
                probeRows: last, norm: .exact)
            let chosen = TokenThreshold(tau: tau).chosen(scores, layer: 0)
            return [chosen.filter { $0 >= n - count }.map { $0 - (n - count) }.sorted()]
        case .share(let share):
            let scores = try TokenSaliency.scores(
                probeQueries: query, keys: keys, probeRows: last)
            return [Self.top(share, of: scores.suffix(count))]
        case .shareOfEachHead(let share):
            return try TokenSaliency.groupScores(
                probeQueries: query, keys: keys, probeRows: last
            ).map { Self.top(share, of: $0.suffix(count)) }
        }
    }

    private static func top(_ share: Double, of scores: ArraySlice<Float>) -> [Int] {
        Ranking.top(TokenSelection.count(share, of: scores.count), of: Array(scores))
    }
}
