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

    /// 28 layers of LongVA-7B's decoder.
    private func longVA(_ attended: [Int], of n: Int) -> FLOPsLedger {
        let decoder = FLOPsLedger.Decoder(
            layers: 28, width: 3584, feedForward: 18944, vocabulary: 152064,
            attention: AttentionGeometry(heads: 28, keyValueHeads: 4, headWidth: 128))
        let reports = attended.map {
            LayerReport(
                attended: $0, cached: $0, pairs: Double($0) * Double($0 + 1) / 2,
                rows: ProjectionRows(all: n))
        }
        return FLOPsLedger(decoder, reports: reports, promptTokens: n, decodeSteps: 0)
    }

    private func savedPercent(_ ledger: FLOPsLedger) -> Double {
        100 * (1 - ledger.attentionUsed / ledger.attentionDense)
    }

    @Test func thePapersFigureOfItsOwnRatios() {
        let zipvl = longVA([Int](repeating: 4210, count: 28), of: 10_000)
        #expect(abs(zipvl.attentionSavedPercentPaper - 82.28) < 0.005)
        let fastv = longVA([10_000, 10_000] + [Int](repeating: 5000, count: 26), of: 10_000)
        #expect(abs(fastv.attentionSavedPercentPaper - 71.30) < 0.005)
    }

    @Test func countedPairsOfTheSameRatios() {
        let zipvl = longVA([Int](repeating: 4210, count: 28), of: 10_000)
        #expect(abs(savedPercent(zipvl) - 82.27) < 0.005)
        let fastv = longVA([10_000, 10_000] + [Int](repeating: 5000, count: 26), of: 10_000)
        #expect(abs(savedPercent(fastv) - 69.64) < 0.005)
    }

    @Test func keepingEverythingSavesLessThanNothing() {
        var all = LayerReport.dense(10_000)
        // 128 probes, half-priced pairs: 64 last rows and 64 at a mean of 5,000.
        all.probePairs = 64 * 9968.5 + 64 * 5000
        let ledger = FLOPsLedger(
            decoder, reports: [all, all], promptTokens: 10_000, decodeSteps: 0)
        #expect(abs(savedPercent(ledger) - -100 * (all.probePairs / 2) / 50_005_000) < 1e-9)
        #expect(savedPercent(ledger) < -0.9)
        #expect(ledger.attentionSavedPercentPaper == 0)
    }

    @Test func methodsThatCountPairsGiveTheirOwnShare() {
        var half = LayerReport.dense(4)
        half.paperShare = 0.5
        var quarter = half
        quarter.paperShare = 0.25
        let ledger = FLOPsLedger(
            decoder, reports: [half, quarter], promptTokens: 4, decodeSteps: 0)
        #expect(ledger.attentionSavedPercentPaper == 62.5)
        // Queries and keys that differ: r is the root of their product over n.
        half.paperShare = nil
        half.paperRatio = 0.5
        let rooted = FLOPsLedger(decoder, reports: [half, half], promptTokens: 4, decodeSteps: 0)
        #expect(rooted.attentionSavedPercentPaper == 75)
    }
}
