import SparsePrefill
import TestSupport
import Testing
import Torch

@Suite struct MInferenceSearchTests {
    init() throws { try LoadedTorch.load() }

    private let candidates: [MInferencePattern] = [
        .verticalAndSlash(vertical: 6, slash: 20), .streaming(initial: 3, local: 24),
        .blockSparse(blocks: 1),
    ]

    private func search(_ prompts: [RandomHeads]) throws -> MInferenceSearch {
        let search = MInferenceSearch(candidates: candidates)
        for heads in prompts {
            let attention = try search.attend(heads.projections, in: heads.context)
            #expect(attention.report == .dense(heads.n), "the search runs full attention")
        }
        return search
    }

    /// The mean over the second half's rows of what the window holds, row by row.
    @Test func aMassIsTheAttentionOnThePatternsPairs() throws {
        let prompts = [try RandomHeads(200), try RandomHeads(65)]
        let search = MInferenceSearch(candidates: [.streaming(initial: 3, local: 24)])
        for heads in prompts { _ = try search.attend(heads.projections, in: heads.context) }
        let result = search.result()
        #expect(result.masses.count == 2 && result.masses[0].isEmpty)
        for head in 0..<6 {
            var (mass, rows) = (0.0, 0)
            for heads in prompts {
                for row in heads.n / 2..<heads.n {
                    for (column, weight) in heads.attention(head, row).enumerated()
                    where column < 3 || row - column < 24 {
                        mass += Double(weight)
                    }
                    rows += 1
                }
            }
            #expect(abs(result.masses[1][head] - mass / Double(rows)) < 1e-5)
        }
    }

    @Test func theWinnerRecoversMoreThanEveryOtherCandidate() throws {
        let heads = try RandomHeads(200)
        let result = try search([heads]).result()
        for candidate in candidates {
            let alone = MInferenceSearch(candidates: [candidate])
            _ = try alone.attend(heads.projections, in: heads.context)
            for (mass, best) in zip(alone.result().masses[1], result.masses[1]) {
                #expect(mass <= best + 1e-9)
            }
            for head in 0..<6 where result.patterns[1, head] == candidate {
                #expect(alone.result().masses[1][head] == result.masses[1][head])
            }
        }
    }

    /// Attention that only ever looks at one column is recovered by columns, not by a window.
    @Test func aPlantedColumnIsFound() throws {
        let n = 300
        let column = 117
        func keys(_ head: Int, _ row: Int) -> Float { row == column ? 9 : 0 }
        let queries = try Tensor.filled(3, [1, 6, n, 8], .float32)
        let planted = try Tensor(
            (0..<2).flatMap { head in
                (0..<n).flatMap { row in [Float](repeating: keys(head, row), count: 8) }
            }, shape: [1, 2, n, 8])
        func rows(_ x: Tensor) -> (Tensor?) throws -> Tensor {
            { try $0.map { try x.gathered(2, $0) } ?? x }
        }
        let search = MInferenceSearch(candidates: [
            .streaming(initial: 3, local: 24), .verticalAndSlash(vertical: 31, slash: 10),
        ])
        _ = try search.attend(
            LayerProjections(queries: rows(queries), keys: rows(planted), values: rows(planted)),
            in: LayerContext(
                layer: 0, layerCount: 1, layout: PromptLayout(count: n, visual: 2..<n - 2),
                geometry: RandomHeads.geometry))
        let result = search.result()
        for head in 0..<6 {
            #expect(result.patterns[0, head] == .verticalAndSlash(vertical: 31, slash: 10))
            #expect(result.masses[0][head] > 0.999)
        }
    }

    @Test func theScaleDividesEverySize() {
        #expect(
            MInferenceSearch.candidates(scale: 10) == [
                .verticalAndSlash(vertical: 3, slash: 80),
                .verticalAndSlash(vertical: 10, slash: 75),
                .verticalAndSlash(vertical: 50, slash: 70),
                .verticalAndSlash(vertical: 350, slash: 10),
                .streaming(initial: 10, local: 80), .blockSparse(blocks: 10),
            ])
        #expect(
            MInferenceSearch.candidates(verticalAndSlash: [(2, 3)], scale: 1000).first
                == .verticalAndSlash(vertical: 1, slash: 1))
    }
}
