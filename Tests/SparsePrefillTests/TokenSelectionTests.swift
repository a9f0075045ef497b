import Testing

@testable import SparsePrefill

/// ZipVL's Eqs. 6 to 8 on scores small enough to follow by hand; the layout is all visual so that
/// only the last 64 tokens are forced.
@Suite struct TokenSelectionTests {
    /// Scores followed by 64 recent tokens that hold nothing.
    private func select(
        _ scores: [Float], probes: [Int], threshold: Double, visual: Range<Int>? = nil,
        bucket: Int = 1
    ) -> TokenSelection {
        let n = scores.count + 64
        return TokenSelection(
            scores: scores + [Float](repeating: 0, count: 64), probeRows: probes,
            threshold: threshold, layout: PromptLayout(count: n, visual: visual ?? 0..<n),
            bucket: bucket)
    }

    @Test func theCountComesFromRawSums() {
        let scores: [Float] = [1, 4, 3, 2]  // total 10
        #expect(select(scores, probes: [67], threshold: 0.4).important == 1)
        #expect(select(scores, probes: [67], threshold: 0.41).important == 2)
        #expect(select(scores, probes: [67], threshold: 0.9).important == 3)
        #expect(select(scores, probes: [67], threshold: 0.91).important == 4)
    }

    @Test func theChoiceComesFromScoresPerProbeThatSeesThem() {
        // Probes at 1 and 67: tokens 0 and 1 are seen twice, the others once.
        let scores: [Float] = [4, 1, 3, 2]
        let selection = select(scores, probes: [1, 67], threshold: 0.4)
        #expect(selection.important == 1)
        #expect(selection.kept.filter { $0 < 4 } == [2])
        #expect(abs(selection.massKept - 0.3) < 1e-9)
    }

    @Test func tiesGoToTheLowerPosition() {
        #expect(select([1, 1, 1, 1], probes: [67], threshold: 0.5).kept.prefix(2) == [0, 1])
    }

    @Test func textIsKeptWhateverItsScore() {
        let selection = select([0, 0, 9, 1], probes: [67], threshold: 0.5, visual: 2..<4)
        #expect(selection.kept.filter { $0 < 4 } == [0, 1, 2])
    }
}
