/// The tokens one layer attends, chosen from the probe scores.
struct TokenSelection: Equatable {
    /// Ascending original positions T.
    let kept: [Int]
    /// p of Eq. 6, before text and recent tokens are united with the choice.
    let important: Int
    /// Share of the scores' sum that the kept tokens hold.
    let massKept: Double

    /// The last tokens of the prompt that are always attended.
    static let recentAlwaysKept = 64

    /// - Parameters:
    ///   - scores: accumulated attention a [n] (Eq. 5).
    ///   - probeRows: ascending positions of the m probe rows; column j is seen by those >= j.
    ///   - threshold: tau. p is the smallest number of largest scores whose sum reaches tau sum(a):
    ///     with m probe rows the scores sum to m, the paper's n rows to n.
    ///   - bucket: |T| is rounded up to a multiple with the next-ranked tokens.
    init(
        scores: [Float], probeRows: [Int], threshold: Double, layout: PromptLayout, bucket: Int
    ) {
        let n = scores.count
        let total = scores.reduce(0) { $0 + Double($1) }
        important = Self.countHolding(threshold * total, of: scores)

        let ranking = Self.ranking(scores, probeRows: probeRows)
        var isKept = [Bool](repeating: false, count: n)
        for token in ranking.prefix(important) { isKept[token] = true }
        for token in 0..<n where !layout.visual.contains(token) { isKept[token] = true }
        for token in max(0, n - Self.recentAlwaysKept)..<n { isKept[token] = true }

        var count = isKept.count { $0 }
        let target = min(n, (count + bucket - 1) / bucket * bucket)
        for token in ranking where count < target && !isKept[token] {
            isKept[token] = true
            count += 1
        }
        kept = isKept.indices.filter { isKept[$0] }
        massKept = total > 0 ? kept.reduce(0) { $0 + Double(scores[$1]) } / total : 1
    }

    /// The smallest p such that the p largest scores sum to at least `mass` (Eq. 6).
    private static func countHolding(_ mass: Double, of scores: [Float]) -> Int {
        var sum = 0.0
        for (index, score) in scores.sorted(by: >).enumerated() {
            sum += Double(score)
            if sum >= mass { return index + 1 }
        }
        return scores.count
    }

    /// Positions by falling score over the number of probe rows that see them (Eq. 7); ties go to the
    /// lower position.
    private static func ranking(_ scores: [Float], probeRows: [Int]) -> [Int] {
        var seenBy = [Int](repeating: 0, count: scores.count)
        var probe = probeRows.count - 1
        var seeing = 0
        for column in scores.indices.reversed() {
            while probe >= 0, probeRows[probe] >= column {
                seeing += 1
                probe -= 1
            }
            seenBy[column] = max(seeing, 1)
        }
        let normalised = scores.indices.map { scores[$0] / Float(seenBy[$0]) }
        return scores.indices.sorted {
            normalised[$0] != normalised[$1] ? normalised[$0] > normalised[$1] : $0 < $1
        }
    }
}
