import SparsePrefill
import Testing

/// Figures worked out by hand from the definitions in the README, not from the code.
@Suite struct FLOPsLedgerTests {
    /// Two layers, width 6, 3 heads over 1 key/value head of width 2, feed-forward 10, 20 tokens.
    private let decoder = FLOPsLedger.Decoder(
        layers: 2, width: 6, feedForward: 10, vocabulary: 20,
        attention: AttentionGeometry(heads: 3, keyValueHeads: 1, headWidth: 2))

    @Test func denseCountsVisiblePairsLinearsAndOneRowOfLogits() {
        let ledger = FLOPsLedger(
            decoder, reports: [.dense(4), .dense(4)], promptTokens: 4, decodeSteps: 0)
        // 10 visible pairs x 4 x 2 x 3 heads x 2 layers
        #expect(ledger.attentionDense == 480)
        #expect(ledger.attentionUsed == 480)
        // A row: q 6x6, k and v 6x2, o 6x6, gate, up and down 6x10: 276 multiply-adds.
        let linears = 2.0 * 276 * 4 * 2
        #expect(ledger.decoderDense == 480 + linears + 2 * 6 * 20)
        #expect(ledger.attentionSavedPercentPaper == 0)
    }

    @Test func decodeStepsCountTheirOwnCacheLength() {
        let ledger = FLOPsLedger(
            decoder, reports: [.dense(4), .dense(4)], promptTokens: 4, decodeSteps: 3)
        // Steps see 5, 6 and 7 entries: 18 pairs a layer on top of 10.
        #expect(ledger.attentionDense == 2 * 28 * 24)
        let (attention, linears, heads) = (2.0 * 28 * 24, 2.0 * 276 * 7 * 2, 4.0 * 2 * 6 * 20)
        #expect(ledger.decoderDense == attention + linears + heads)
    }

    @Test func sparseLayersCountTheirPairsProbesAndRows() {
        var sparse = LayerReport(
            attended: 2, cached: 2, pairs: 3,
            rows: ProjectionRows(query: 3, key: 4, value: 2, output: 2, feedForward: 4))
        sparse.probePairs = 4
        let ledger = FLOPsLedger(
            decoder, reports: [sparse, .dense(4)], promptTokens: 4, decodeSteps: 1)
        // Layer 0: 3 pairs and 4 half-priced probe pairs, then a step over 3 entries; layer 1: 10 and 5.
        let (sparsePairs, densePairs) = (8.0, 15.0)
        #expect(ledger.attentionUsed == 24 * (sparsePairs + densePairs))
        #expect(ledger.attentionDense == 24 * densePairs * 2)
        let firstLayer: Int = 36 * 3 + 12 * (4 + 2) + 36 * 2 + 180 * 4
        let linears = 2 * Double(firstLayer + 276 + 276 * 5)
        #expect(ledger.decoderUsed == ledger.attentionUsed + linears + 480)
        #expect(ledger.attentionSavedPercentPaper == 100 * (1 - 0.75 * 0.75))
    }

    @Test func probesCanCostMoreThanSelectionSaves() {
        var wasteful = LayerReport.dense(4)
        wasteful.probePairs = 10
        let ledger = FLOPsLedger(
            decoder, reports: [wasteful, wasteful], promptTokens: 4, decodeSteps: 0)
        #expect(ledger.attentionUsed > ledger.attentionDense)
    }
}
