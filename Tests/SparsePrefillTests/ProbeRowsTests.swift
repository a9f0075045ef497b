import SparsePrefill
import Testing

@Suite struct ProbeRowsTests {
    @Test(arguments: [1, 2, 63, 64, 65, 127, 128, 129, 1000])
    func rowsAreSortedUniqueAndCounted(_ n: Int) {
        let rows = ProbeRows().rows(ofPromptWith: n, layer: 3)
        #expect(rows == Set(rows).sorted())
        #expect(rows.count == min(64, n) + min(64, max(0, n - 64)))
        #expect(rows.suffix(min(64, n)) == Array(max(0, n - 64)..<n)[...])
        #expect(rows.allSatisfy { (0..<n).contains($0) })
    }

    @Test func theSeedAndTheLayerDecideTheDraw() {
        let a = ProbeRows(seed: 1)
        #expect(a.rows(ofPromptWith: 5000, layer: 0) == a.rows(ofPromptWith: 5000, layer: 0))
        #expect(a.rows(ofPromptWith: 5000, layer: 0) != a.rows(ofPromptWith: 5000, layer: 1))
        #expect(
            a.rows(ofPromptWith: 5000, layer: 0)
                != ProbeRows(seed: 2).rows(ofPromptWith: 5000, layer: 0))
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
            for row in ProbeRows(recent: 1, random: 20).rows(ofPromptWith: 201, layer: layer)
            where row < 200 {
                counts[row] += 1
            }
        }
        // 200 expected in each; the standard deviation is 13.4.
        #expect(counts.allSatisfy { abs($0 - 200) < 75 })
    }
}
