/// The tokens one layer attends.
package struct TokenSelection: Equatable {
    /// Ascending rows T.
    package let kept: [Int]
    /// Share of the scores' sum that the kept tokens hold.
    package let massKept: Double

    /// Unites a choice with all text and the recent tokens, then adds the next-ranked tokens until
    /// enough are kept.
    ///
    /// - Parameters:
    ///   - chosen: rows of the method's choice, in any order.
    ///   - least: the smallest number of kept tokens, forced ones included.
    ///   - bucket: |T| is rounded up to a multiple.
    package init(
        chosen: [Int], least: Int = 0, scores: TokenScores, layout: PromptLayout, bucket: Int = 1
    ) {
        self.init(
            chosen: chosen, least: least, ranking: scores.ranking,
            accumulated: scores.accumulated, layout: layout, bucket: bucket)
    }

    private init(
        chosen: [Int], least: Int, ranking: [Int], accumulated: [Float], layout: PromptLayout,
        bucket: Int
    ) {
        let n = accumulated.count
        var isKept = (0..<n).map(layout.isForced)
        for token in chosen { isKept[token] = true }
        var count = isKept.count { $0 }
        let wanted = max(count, least)
        let target =
            bucket >= n ? n : min(n, (wanted + bucket - 1) / bucket * bucket)
        for token in ranking where count < target && !isKept[token] {
            isKept[token] = true
            count += 1
        }
        kept = isKept.indices.filter { isKept[$0] }
        let total = accumulated.reduce(0) { $0 + Double($1) }
        massKept = total > 0 ? kept.reduce(0) { $0 + Double(accumulated[$1]) } / total : 1
    }

    /// The number of tokens that is `ratio` of n.
    static func count(_ ratio: Double, of n: Int) -> Int {
        Int((ratio * Double(n)).rounded(.toNearestOrAwayFromZero))
    }
}
