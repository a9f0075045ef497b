import SparsePrefill
import Testing

@Suite struct ProbeRowsTests {
    private func prompt(_ n: Int) -> PromptLayout { PromptLayout(count: n, visual: 0..<n) }

    @Test func stratifiedRowsLieOneInEachSlice() {
        let rows = ProbeRows(recent: 4, random: 8, rule: .stratified).rows(of: prompt(84), layer: 2)
        #expect(rows.dropLast(4).map { $0 / 10 } == Array(0..<8))
        // Slices of unequal length cover everything: 5 slices of 0..<7.
        let few = ProbeRows(recent: 1, random: 5, rule: .stratified).rows(of: prompt(8), layer: 0)
        #expect(few.count == 6 && few == Set(few).sorted())
    }

    @Test func questionRowsAreTheTextAfterTheVideo() {
        let layout = PromptLayout(count: 500, visual: 10..<470)
        let rows = ProbeRows(random: 20, rule: .question).rows(of: layout, layer: 0)
        #expect(rows.suffix(30) == Array(470..<500)[...])
        #expect(rows.count == 50 && rows.prefix(20).allSatisfy { $0 < 470 })
        // No more than asked for, where the question is long.
        let long = PromptLayout(count: 500, visual: 10..<200)
        #expect(ProbeRows(random: 0, rule: .question).rows(of: long, layer: 0).count == 64)
    }

    @Test(arguments: [1, 2, 63, 64, 65, 127, 128, 129, 1000])
    func rowsAreSortedUniqueAndCounted(_ n: Int) {
        let rows = ProbeRows().rows(of: prompt(n), layer: 3)
        #expect(rows == Set(rows).sorted())
        #expect(rows.count == min(64, n) + min(64, max(0, n - 64)))
        #expect(rows.suffix(min(64, n)) == Array(max(0, n - 64)..<n)[...])
        #expect(rows.allSatisfy { (0..<n).contains($0) })
    }

    @Test func theSeedAndTheLayerDecideTheDraw() {
        let a = ProbeRows(seed: 1)
        #expect(a.rows(of: prompt(5000), layer: 0) == a.rows(of: prompt(5000), layer: 0))
        #expect(a.rows(of: prompt(5000), layer: 0) != a.rows(of: prompt(5000), layer: 1))
        #expect(
            a.rows(of: prompt(5000), layer: 0)
                != ProbeRows(seed: 2).rows(of: prompt(5000), layer: 0))
    }

    /// The first outputs for seed 0 that the generator's authors publish with their C code.
    @Test func splitMix64MatchesItsReference() {
        // Stream 0 starts one step later than the reference's state 0.
        var generator = SplitMix64(seed: 0, stream: -1)
        #expect(generator.next() == 0xE220_A839_7B1D_CDAF)
        #expect(generator.next() == 0x6E78_9E6A_A1B9_65F4)
        #expect(generator.next() == 0x06C4_5D18_8009_454F)
    }

    @Test func everyRowIsDrawnAboutEquallyOften() {
        var counts = [Int](repeating: 0, count: 200)
        for layer in 0..<2000 {
            for row in ProbeRows(recent: 1, random: 20).rows(of: prompt(201), layer: layer)
            where row < 200 {
                counts[row] += 1
            }
        }
        // 200 expected in each; the standard deviation is 13.4.
        #expect(counts.allSatisfy { abs($0 - 200) < 75 })
    }
}
