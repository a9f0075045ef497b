import Testing

@testable import SparsePrefill

/// ZipVL's Eqs. 6 to 8 on scores small enough to follow by hand; the layout is all visual so that
/// only the last 64 tokens are forced.
@Suite struct TokenSelectionTests {
    /// Scores followed by 64 recent tokens that hold nothing.
    private func scores(
        _ scores: [Float], probes: [Int] = [67], norm: ScoreNormalization = .exact
    ) -> TokenScores {
        TokenScores(
            scores + [Float](repeating: 0, count: 64), probeRows: probes, norm: norm)
    }

    private func select(
        _ scores: TokenScores, _ threshold: TokenThreshold, visual: Range<Int>? = nil,
        least: Int = 0, bucket: Int = 1
    ) -> TokenSelection {
        let n = scores.accumulated.count
        return TokenSelection(
            chosen: threshold.chosen(scores, layer: 0), least: least, scores: scores,
            layout: PromptLayout(count: n, visual: visual ?? 0..<n), bucket: bucket)
    }

    @Test func theCountComesFromRawSums() {
        let scores = scores([1, 4, 3, 2])  // total 10
        for (tau, count) in [(0.4, 1), (0.41, 2), (0.9, 3), (0.91, 4)] {
            #expect(TokenThreshold(tau: tau).chosen(scores, layer: 0).count == count)
        }
    }

    @Test func theChoiceComesFromScoresPerProbeThatSeesThem() {
        // Probes at 1 and 67: tokens 0 and 1 are seen twice, the others once.
        let scores = scores([4, 1, 3, 2], probes: [1, 67])
        let selection = select(scores, TokenThreshold(tau: 0.4))
        #expect(selection.kept.filter { $0 < 4 } == [2])
        #expect(abs(selection.massKept - 0.3) < 1e-9)
    }

    @Test func theCorrectedRuleGrowsUntilTheChosenHoldTheShare() {
        // Ranked 2, 0, 3, 1 with 3, 4, 2 and 1: 0.4 of 10 needs the first two.
        let scores = scores([4, 1, 3, 2], probes: [1, 67])
        let selection = select(scores, TokenThreshold(tau: 0.4, rule: .corrected))
        #expect(selection.kept.filter { $0 < 4 } == [0, 2])
        #expect(abs(selection.massKept - 0.7) < 1e-9)
    }

    @Test func theOtherNormDividesByAllRowsThatSeeAToken() {
        // n = 68: 4 / 68, 1 / 67, 3.9 / 66 and 2 / 65. By the probes alone token 0 would lead.
        let values: [Float] = [4, 1, 3.9, 2]
        #expect(scores(values).ranking.prefix(4) == [0, 2, 3, 1])
        #expect(scores(values, norm: .zipcache).ranking.prefix(4) == [2, 0, 3, 1])
    }

    @Test func tiesGoToTheLowerPosition() {
        let selection = select(scores([1, 1, 1, 1]), TokenThreshold(tau: 0.5))
        #expect(selection.kept.prefix(2) == [0, 1])
    }

    @Test func textIsKeptWhateverItsScore() {
        let selection = select(scores([0, 0, 9, 1]), TokenThreshold(tau: 0.5), visual: 2..<4)
        #expect(selection.kept.filter { $0 < 4 } == [0, 1, 2])
    }

    /// The rule as the papers have it keeps no token for its place: the last one, which the answer is
    /// read from, would lose its attention here.
    @Test func theBareRuleCanDropTheLastToken() {
        let scores = scores([4, 3, 2, 1])
        let bare = TokenThreshold(tau: 0.9).chosen(scores, layer: 0)
        #expect(!bare.contains(67))
        #expect(select(scores, TokenThreshold(tau: 0.9)).kept.last == 67)
    }

    @Test func aFixedNumberCountsTheForcedTokensIn() {
        let none = TokenSelection(
            chosen: [], least: 66, scores: scores([1, 4, 3, 2]),
            layout: PromptLayout(count: 68, visual: 0..<68))
        #expect(none.kept.filter { $0 < 4 } == [1, 2])
        // Never fewer than the forced ones.
        let few = TokenSelection(
            chosen: [], least: 10, scores: scores([1, 4, 3, 2]),
            layout: PromptLayout(count: 68, visual: 0..<68))
        #expect(few.kept.count == 64)
    }
}
