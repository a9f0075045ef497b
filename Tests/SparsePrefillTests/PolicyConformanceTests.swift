import SparsePrefill
import TestSupport
import Testing
import Torch

/// A method with parameters that make it skip something.
struct MethodCase: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let policy: any PrefillPolicy
    /// `nil` for a method that only the tests know.
    let configuration: PrefillConfiguration?

    init(
        _ name: String, _ method: PrefillMethod,
        _ change: (inout PrefillConfiguration) -> Void = { _ in }
    ) {
        testDescription = name
        var configuration = PrefillConfiguration(method: method, tau: 0.6)
        change(&configuration)
        self.configuration = configuration
        policy = configuration.makePolicy()
    }

    init(_ name: String, policy: any PrefillPolicy) {
        testDescription = name
        self.policy = policy
        configuration = nil
    }

    var method: PrefillMethod? { configuration?.method }

    static let all: [MethodCase] = [
        MethodCase("full", .full),
        MethodCase("full, zipcache", .full) { $0.kv = .zipcache },
        MethodCase("zipvl", .zipvl),
        MethodCase("zipvl, kv full", .zipvl) { $0.kv = .full },
        MethodCase("zipvl, mixed", .zipvl) { $0.kv = .mixed },
        MethodCase("zipvl, zipcache", .zipvl) { $0.kv = .zipcache },
        MethodCase("zipvl, norm of zipcache", .zipvl) { $0.norm = .zipcache },
        MethodCase("zipvl, corrected", .zipvl) { $0.thresholdRule = .corrected },
        MethodCase("zipvl, stratified", .zipvl) { $0.probeRule = .stratified },
        MethodCase("zipvl, question", .zipvl) { $0.probeRule = .question },
        MethodCase("zipvl, random choice", .zipvl) { $0.select = .random },
        MethodCase("zipvl, rows keys", .zipvl) { $0.rows = .keys },
        MethodCase("zipvl, rows keys, kv full", .zipvl) { ($0.rows, $0.kv) = (.keys, .full) },
        MethodCase("zipvl, ffn kept", .zipvl) { $0.ffn = .kept },
        MethodCase("zipvl, dense layer", .zipvl) { $0.denseLayers = [1] },
        MethodCase("zipvl, bucket", .zipvl) { $0.selectBucket = 16 },
        MethodCase("fixed", .fixed),
        MethodCase("fixed, rows keys", .fixed) { $0.rows = .keys },
        MethodCase("fastv", .fastv),
        MethodCase("qk-sparse", .qkSparse),
        MethodCase("minference", .minference),
        MethodCase("hired", .hired),
        MethodCase("a method of the tests' own", policy: RecentWindowPrefill(window: 100)),
    ]
}

/// What every method must hold to, over one layer of random heads.
@Suite struct PolicyConformanceTests {
    init() throws { try LoadedTorch.load() }

    static let lengths = [1, 2, 63, 64, 65, 500]
    static let dtypes = [DType.float32, .bfloat16]

    static func tolerance(_ dtype: DType) -> Float { dtype == .float32 ? 1e-5 : 2e-2 }

    @Test func everyMethodHasACase() {
        #expect(Set(MethodCase.all.compactMap(\.method)) == Set(PrefillMethod.allCases))
        for method in MethodCase.all {
            #expect(method.configuration?.problem() == nil, "\(method.testDescription)")
        }
    }

    @Test(arguments: MethodCase.all, dtypes)
    func choicesAreSortedUniqueAndHoldAllTextAndTheLastTokens(
        _ method: MethodCase, _ dtype: DType
    ) throws {
        for n in Self.lengths {
            let layer = try RandomLayer(n, dtype)
            let attention = try method.policy.attend(layer.projections, in: layer.context())
            let report = attention.report
            var sets = report.keptPerHead ?? []
            sets += [report.kept, try attention.cachedRows?.indices(), attention.remaining]
                .compactMap { $0 }
            if let rows = attention.rows { sets.append(try rows.values()) }
            let text = (0..<n).filter { !layer.layout.visual.contains($0) }
            for rows in sets {
                #expect(rows == Set(rows).sorted(), "\(n)")
                #expect(rows.allSatisfy { (0..<n).contains($0) }, "\(n)")
                #expect(Set(rows).isSuperset(of: text), "\(n)")
                #expect(rows.last == n - 1, "\(n)")
            }
            for rows in [report.kept].compactMap({ $0 }) + (report.keptPerHead ?? []) {
                #expect(Set(rows).isSuperset(of: max(0, n - 64)..<n), "\(n)")
            }
            let outputs = attention.rows?.shape[0] ?? n
            #expect(attention.output.shape == [1, 6, outputs, 8])
            #expect(attention.keys.shape == [1, 2, report.cached, 8])
            #expect(attention.values.shape == attention.keys.shape)
            #expect(attention.cachedRows?.count ?? n == report.cached)
            #expect(report.kept.map(\.count) ?? report.attended == report.attended)
            let finite: [Float] = try attention.output.converted(to: .float32).values()
            #expect(finite.allSatisfy { $0.isFinite }, "\(n)")
        }
    }

    @Test(arguments: MethodCase.all, dtypes)
    func eachRowAttendsToExactlyTheKeptTokensBeforeIt(
        _ method: MethodCase, _ dtype: DType
    ) throws {
        // Which pairs minference takes is compared in a suite of its own.
        guard method.method != .minference else { return }
        for n in Self.lengths {
            let layer = try RandomLayer(n, dtype)
            let attention = try method.policy.attend(layer.projections, in: layer.context())
            let rows = try attention.rows?.values(as: Int.self) ?? Array(0..<n)
            let everyRow = Array(0..<n)
            // Each tenth row of the long one: the slow way takes a call a row.
            for (index, position) in rows.enumerated() where n < 100 || index % 10 == 0 {
                let actual = try attention.output.narrowed(2, from: index, count: 1)
                guard let heads = attention.report.keptPerHead else {
                    let kept = attention.report.kept ?? everyRow
                    try expectClose(
                        actual, layer.row(position, over: kept),
                        relative: Self.tolerance(dtype), "row \(position) of \(n)")
                    continue
                }
                for (head, kept) in heads.enumerated() {
                    let expected =
                        kept.contains(position)
                        ? try layer.row(position, over: kept).narrowed(1, from: head, count: 1)
                        : try Tensor.zeros([1, 1, 1, 8], dtype)
                    try expectClose(
                        actual.narrowed(1, from: head, count: 1), expected,
                        relative: Self.tolerance(dtype), "row \(position) of head \(head)")
                }
            }
        }
    }

    /// Parameters with which a method skips nothing.
    static let idle: [MethodCase] = [
        MethodCase("zipvl, tau 1", .zipvl) { $0.tau = 1 },
        MethodCase("zipvl, every layer dense", .zipvl) { $0.denseLayers = [0, 1, 2, 3] },
        MethodCase("zipvl, below the limit", .zipvl) { $0.denseBelow = 501 },
        MethodCase("fixed, ratio 1", .fixed) { $0.ratio = 1 },
        MethodCase("fastv, drop 0", .fastv) { $0.fastvDrop = 0 },
        MethodCase("fastv, later layer", .fastv) { $0.fastvLayer = 9 },
        MethodCase("qk-sparse, ratio 1", .qkSparse) { $0.qkRatio = 1 },
        MethodCase("minference, whole prompt", .minference),
        MethodCase("hired, budget 1", .hired) { $0.hiredBudget = 1 },
    ]

    @Test(arguments: idle, dtypes)
    func nothingToSkipIsDense(_ method: MethodCase, _ dtype: DType) throws {
        for n in Self.lengths {
            let layer = try RandomLayer(n, dtype)
            let attention = try method.policy.attend(layer.projections, in: layer.context())
            let (actual, expected) = (
                try attention.output.converted(to: .float32).values(as: Float.self),
                try layer.dense().converted(to: .float32).values(as: Float.self)
            )
            #expect(actual == expected, "\(n)")
            #expect(attention.remaining == nil)
            #expect(attention.report.attended == n)
            #expect(attention.report.pairs == LayerReport.visiblePairs(n), "\(n)")
        }
    }

    @Test(arguments: MethodCase.all)
    func theSameSeedGivesTheSameAndNothingIsRememberedBetweenCalls(_ method: MethodCase) throws {
        let (one, other) = (try RandomLayer(500, seed: 5), try RandomLayer(200, seed: 6))
        let policy = method.policy
        let first = try policy.attend(one.projections, in: one.context())
        // Another prompt, another layer and another length in between.
        _ = try policy.attend(other.projections, in: other.context(layer: 0))
        let again = try policy.attend(one.projections, in: one.context())
        let fresh = try (method.configuration?.makePolicy() ?? method.policy)
            .attend(one.projections, in: one.context())
        for attention in [again, fresh] {
            #expect(attention.report == first.report)
            #expect(attention.remaining == first.remaining)
            #expect(try attention.output.values(as: Float.self) == first.output.values())
        }
    }

    @Test(arguments: MethodCase.all) func aSelectionActuallySkips(_ method: MethodCase) throws {
        let layer = try RandomLayer(500)
        let attention = try method.policy.attend(layer.projections, in: layer.context())
        let report = attention.report
        switch method.method {
        // hired skips before the decoder; minference's default pattern covers a short prompt.
        case .full, .hired, .minference: #expect(report.attended == 500)
        case .fastv:
            #expect(attention.remaining?.count == 500 - 375 + 188)
            #expect(report.probePairs == 500)
        case .zipvl where method.configuration?.denseLayers.isEmpty == false:
            #expect(report == .dense(500))
        case .zipvl, .fixed, .qkSparse:
            #expect(report.attended < 450)
            #expect(report.pairs < LayerReport.visiblePairs(500))
            #expect(report.probePairs == report.probes.reduce(0) { $0 + Double($1 + 1) })
            #expect((report.massKept ?? 0) > 0.3)
        case nil: #expect(report.attended == 62 + 63 + 100 - 63)
        }
    }

    @Test func anotherSeedGivesOtherRandomTokens() throws {
        let layer = try RandomLayer(500)
        func kept(_ seed: UInt64, _ select: TokenChoice) throws -> [Int]? {
            var configuration = PrefillConfiguration(method: .zipvl, tau: 0.6, seed: seed)
            configuration.select = select
            let policy = configuration.makePolicy()
            return try policy.attend(layer.projections, in: layer.context()).report.kept
        }
        #expect(try kept(1, .random) != kept(2, .random))
        // As many as the scores would take, but others.
        #expect(try kept(1, .random) != kept(1, .scores))
    }

    @Test func theCorrectedRuleHoldsItsThreshold() throws {
        let layer = try RandomLayer(500)
        for tau in [0.3, 0.6, 0.9] {
            var configuration = PrefillConfiguration(method: .zipvl, tau: tau)
            configuration.thresholdRule = .corrected
            let report = try configuration.makePolicy()
                .attend(layer.projections, in: layer.context()).report
            #expect((report.massKept ?? 0) >= tau)
        }
    }

    @Test func bucketsRoundUpAndCountAsKept() throws {
        let layer = try RandomLayer(500)
        func kept(_ bucket: Int) throws -> [Int] {
            let policy = PrefillConfiguration(method: .zipvl, tau: 0.6, selectBucket: bucket)
                .makePolicy()
            return try policy.attend(layer.projections, in: layer.context()).report.kept ?? []
        }
        let (exact, rounded) = (try kept(1), try kept(64))
        #expect(rounded.count == (exact.count + 63) / 64 * 64)
        #expect(Set(rounded).isSuperset(of: exact))
    }

    @Test func rowsOfTheLinearsAreThoseThatAreNeeded() throws {
        let layer = try RandomLayer(500)
        func report(_ change: (inout PrefillConfiguration) -> Void) throws -> LayerReport {
            let method = MethodCase("", .zipvl, change)
            return try method.policy.attend(layer.projections, in: layer.context()).report
        }
        let discard = try report { _ in }
        let (kept, probes) = (discard.attended, discard.probes.count)
        #expect(
            discard.rows
                == ProjectionRows(
                    query: kept + probes, key: 500, value: kept, output: kept, feedForward: 500))
        #expect(try report { $0.kv = .full }.rows.value == 500)
        #expect(try report { $0.ffn = .kept }.rows.feedForward == kept)
        let keys = try report { $0.rows = .keys }.rows
        #expect(keys.query == 500 + probes && keys.output == 500 && keys.value == kept)
    }

    @Test func invalidParametersAreExplained() {
        func problem(_ change: (inout PrefillConfiguration) -> Void) -> String? {
            MethodCase("", .zipvl, change).configuration?.problem()
        }
        #expect(problem { $0.tau = 0 }?.contains("tau") == true)
        #expect(problem { $0.tau = .nan } != nil)
        #expect(problem { $0.probesRecent = 0 } != nil)
        #expect(problem { $0.selectBucket = 0 } != nil)
        #expect(problem { $0.denseLayers = [-1] }?.contains("-1") == true)
        #expect(problem { ($0.rows, $0.ffn) = (.keys, .kept) }?.contains("ffn") == true)
        #expect(problem { ($0.method, $0.kv) = (.full, .discard) }?.contains("full") == true)
        #expect(problem { $0.fastvLayer = 0 }?.contains("fastv-layer") == true)
        #expect(problem { $0.fastvDrop = 1 }?.contains("fastv-drop") == true)
        #expect(problem { _ in } == nil)
    }
}
