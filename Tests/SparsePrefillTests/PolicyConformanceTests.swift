import SparsePrefill
import TestSupport
import Testing
import Torch

/// What every method must hold to, over one layer of random heads.
@Suite struct PolicyConformanceTests {
    init() throws { try LoadedTorch.load() }

    static let geometry = AttentionGeometry(heads: 6, keyValueHeads: 2, headWidth: 8)
    static let lengths = [1, 2, 63, 64, 65, 200]
    static let everyMethod: [PrefillConfiguration] =
        PrefillMethod.allCases.flatMap { method in
            (method == .full ? [KVRetention.full] : KVRetention.allCases).map {
                PrefillConfiguration(method: method, tau: 0.6, kv: $0)
            }
        }

    /// One layer's heads with attention peaked on some tokens, and which rows were asked for.
    final class RandomLayer {
        let queries, keys, values: Tensor
        let n: Int

        init(_ n: Int, seed: UInt64 = 5) throws {
            var generator = SplitMix64(seed: seed, stream: n)
            func random(_ heads: Int, _ scale: Float) throws -> Tensor {
                let values = (0..<heads * n * 8).map { _ in
                    (Float(generator.next() >> 40) / Float(1 << 23) - 1) * scale
                }
                return try Tensor(values, shape: [1, heads, n, 8])
            }
            self.n = n
            queries = try random(geometry.heads, 4)
            keys = try random(geometry.keyValueHeads, 4)
            values = try random(geometry.keyValueHeads, 1)
        }

        var projections: LayerProjections {
            func rows(_ x: Tensor) -> (Tensor?) throws -> Tensor {
                { try $0.map { try x.gathered(2, $0) } ?? x }
            }
            return LayerProjections(
                queries: rows(queries), keys: rows(keys), values: rows(values))
        }

        /// A prompt of three quarters visual tokens.
        var context: LayerContext {
            LayerContext(
                layer: 1, layerCount: 4,
                layout: PromptLayout(count: n, visual: n / 8..<n / 8 + n * 3 / 4),
                geometry: geometry)
        }

        func dense() throws -> Tensor {
            try queries.attention(keys: keys, values: values, isCausal: true)
        }
    }

    @Test(arguments: everyMethod, lengths)
    func choicesAreSortedUniqueAndHoldAllTextAndTheLastTokens(
        _ method: PrefillConfiguration, _ n: Int
    ) throws {
        let layer = try RandomLayer(n)
        let attention = try method.makePolicy().attend(layer.projections, in: layer.context)
        let kept = attention.report.kept ?? Array(0..<n)
        #expect(kept == Set(kept).sorted())
        #expect(kept.allSatisfy { (0..<n).contains($0) })
        let visual = layer.context.layout.visual
        #expect(Set(kept).isSuperset(of: (0..<n).filter { !visual.contains($0) }))
        #expect(Set(kept).isSuperset(of: max(0, n - 64)..<n))
        #expect(attention.report.attended == kept.count)
        #expect(try attention.rows?.values(as: Int.self) ?? Array(0..<n) == kept)
        #expect(attention.output.shape == [1, 6, kept.count, 8])
        #expect(attention.keys.shape == [1, 2, attention.report.cached, 8])
        #expect(attention.values.shape == attention.keys.shape)
    }

    /// The definition of a sparse row, computed the slow way: attention over the kept tokens that the
    /// row can see.
    @Test(arguments: everyMethod, lengths)
    func eachRowAttendsToExactlyTheKeptTokensBeforeIt(
        _ method: PrefillConfiguration, _ n: Int
    ) throws {
        let layer = try RandomLayer(n)
        let attention = try method.makePolicy().attend(layer.projections, in: layer.context)
        let kept = attention.report.kept ?? Array(0..<n)
        for (row, position) in kept.enumerated() {
            let seen = try Tensor(kept.filter { $0 <= position })
            let query = try layer.queries.narrowed(2, from: position, count: 1)
            let expected = try query.attention(
                keys: layer.keys.gathered(2, seen), values: layer.values.gathered(2, seen),
                isCausal: false)
            let actual = try attention.output.narrowed(2, from: row, count: 1)
            try expectClose(actual, expected, relative: 1e-5, "row \(position) of \(n)")
        }
    }

    @Test(arguments: lengths) func thresholdOneIsDense(_ n: Int) throws {
        let layer = try RandomLayer(n)
        let policy = PrefillConfiguration(method: .zipvl, tau: 1).makePolicy()
        let attention = try policy.attend(layer.projections, in: layer.context)
        #expect(try attention.output.values(as: Float.self) == layer.dense().values())
        #expect(attention.report == .dense(n))
    }

    @Test func promptsBelowTheLimitRunDenseAndSaySo() throws {
        let layer = try RandomLayer(200)
        let policy = PrefillConfiguration(method: .zipvl, tau: 0.6, denseBelow: 201).makePolicy()
        let attention = try policy.attend(layer.projections, in: layer.context)
        #expect(attention.report == .dense(200))
    }

    @Test func aSelectionActuallySkipsTokens() throws {
        let layer = try RandomLayer(200)
        let policy = PrefillConfiguration(method: .zipvl, tau: 0.6).makePolicy()
        let report = try policy.attend(layer.projections, in: layer.context).report
        #expect(report.attended < 190)
        #expect(report.pairs == Double(report.attended * (report.attended + 1) / 2))
        #expect(report.probePairs == report.probes.reduce(0) { $0 + Double($1 + 1) })
        #expect(report.rows.key == 200 && report.rows.feedForward == 200)
        #expect(report.rows.value == report.attended && report.rows.output == report.attended)
    }

    @Test func bucketsRoundUpAndCountAsKept() throws {
        let layer = try RandomLayer(200)
        func kept(_ bucket: Int) throws -> [Int] {
            let policy = PrefillConfiguration(method: .zipvl, tau: 0.6, selectBucket: bucket)
                .makePolicy()
            return try policy.attend(layer.projections, in: layer.context).report.kept ?? []
        }
        let (exact, rounded) = (try kept(1), try kept(64))
        #expect(rounded.count == (exact.count + 63) / 64 * 64)
        #expect(Set(rounded).isSuperset(of: exact))
    }

    @Test func invalidParametersAreExplained() {
        #expect(PrefillConfiguration(tau: 0).problem()?.contains("tau") == true)
        #expect(PrefillConfiguration(tau: .nan).problem() != nil)
        #expect(
            PrefillConfiguration(method: .full, kv: .discard).problem()?.contains("full") == true)
        #expect(PrefillConfiguration(probesRecent: 0).problem() != nil)
        #expect(PrefillConfiguration(selectBucket: 0).problem() != nil)
        for method in Self.everyMethod { #expect(method.problem() == nil) }
    }
}
