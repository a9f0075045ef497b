import SparsePrefill
import TestSupport
import Testing
import Torch

@testable import LongVA

/// Every method through the decoders of the tiny checkpoints, in both element types and at the lengths
/// where probes, blocks and forced tokens begin.
@Suite struct PolicyCheckpointTests {
    init() throws { try LoadedTorch.load() }

    static let lengths = [1, 2, 63, 64, 65, 500]

    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        var configuration: PrefillConfiguration

        init(
            _ name: String, _ method: PrefillMethod,
            _ change: (inout PrefillConfiguration) -> Void = { _ in }
        ) {
            testDescription = name
            configuration = PrefillConfiguration(method: method, tau: 0.7)
            change(&configuration)
        }
    }

    static let cases: [Case] = [
        Case("zipvl", .zipvl),
        Case("zipvl, mixed", .zipvl) { ($0.kv, $0.kvGuard) = (.mixed, 0) },
        Case("zipvl, rows keys, question, retire", .zipvl) {
            ($0.rows, $0.probeRule, $0.retireAfter) = (.keys, .question, 1)
        },
        Case("zipvl, ffn kept, mixed", .zipvl) {
            ($0.ffn, $0.retireAfter, $0.kv, $0.kvGuard) = (.kept, 2, .mixed, 0)
        },
        Case("fixed, stratified", .fixed) { $0.probeRule = .stratified },
        Case("fastv, zipcache", .fastv) { ($0.fastvLayer, $0.kv, $0.kvGuard) = (1, .zipcache, 0) },
        Case("qk-sparse", .qkSparse) { $0.qkRatio = 0.5 },
        Case("minference", .minference) {
            $0.minference = MInferencePatterns(layers: [
                [
                    0: .verticalAndSlash(vertical: 40, slash: 110), 1: .blockSparse(blocks: 2),
                    2: .streaming(initial: 10, local: 60),
                ]
            ])
        },
        Case("hired, zipcache", .hired) { ($0.kv, $0.kvGuard) = (.zipcache, 0) },
        Case("full, zipcache", .full) { ($0.kv, $0.kvGuard) = (.zipcache, 0) },
    ]

    /// Parameters with which nothing is skipped.
    static let idle: [Case] = [
        Case("zipvl", .zipvl) { $0.tau = 1 }, Case("fixed", .fixed) { $0.ratio = 1 },
        Case("fastv", .fastv) { $0.fastvDrop = 0 }, Case("qk-sparse", .qkSparse) { $0.qkRatio = 1 },
        Case("minference", .minference), Case("hired", .hired) { $0.hiredBudget = 1 },
    ]

    private struct Run {
        let logits: [Float]
        let reports: [LayerReport]
        let decoded: [Float]
    }

    /// A prompt of random embeddings, three quarters of it visual, and one token more.
    private func run(
        _ model: LongVAModel, _ n: Int, _ configuration: PrefillConfiguration
    ) throws -> Run {
        let width = model.decoder.configuration.hiddenSize
        var generator = SplitMix64(seed: 3, stream: n)
        let values = (0..<n * width).map { _ in
            Float(generator.next() >> 40) / Float(1 << 23) - 1
        }
        let embeddings = try Tensor(values, shape: [1, n, width]).converted(to: model.dtype)
        var cache = KVCache(
            room: 1,
            plan: KVCachePlan(configuration, layerCount: model.decoder.configuration.layerCount))
        let (logits, reports) = try model.decoder.prefill(
            Qwen2Model.Prompt(
                embeddings: embeddings,
                layout: PromptLayout(count: n, visual: n / 8..<n / 8 + n * 3 / 4)),
            plan: PrefillPlan(configuration), cache: &cache)
        return Run(
            logits: try logits.values(), reports: reports,
            decoded: try model.decoder.decode(1, position: n, cache: &cache).values())
    }

    private func models() throws -> [LongVAModel] {
        try ["mha-single-file", "gqa3-sharded", "gqa7-extras"].flatMap { name in
            try [ModelOptions.DTypeChoice.float32, .bfloat16].map {
                try LongVAModel(ModelOptions(directory: Fixtures.path(name), dtype: $0))
            }
        }
    }

    @Test(arguments: cases) func everyLengthGivesFiniteLogitsAndTheSameTwice(_ method: Case) throws
    {
        for model in try models() {
            for n in Self.lengths {
                let one = try run(model, n, method.configuration)
                #expect(one.logits.allSatisfy { $0.isFinite }, "\(n)")
                #expect(one.decoded.allSatisfy { $0.isFinite }, "\(n)")
                let text = Set(0..<n / 8).union(n / 8 + n * 3 / 4..<n)
                for kept in one.reports.compactMap(\.kept) {
                    #expect(kept == Set(kept).sorted(), "\(n)")
                    #expect(text.isSubset(of: kept) && kept.last == n - 1, "\(n)")
                }
                let again = try run(model, n, method.configuration)
                #expect(again.reports == one.reports, "\(n)")
                #expect(again.logits == one.logits && again.decoded == one.decoded, "\(n)")
            }
        }
    }

    @Test(arguments: idle) func nothingToSkipGivesTheLogitsOfFull(_ method: Case) throws {
        for model in try models() {
            for n in Self.lengths {
                let sparse = try run(model, n, method.configuration)
                let full = try run(model, n, PrefillConfiguration(method: .full))
                #expect(sparse.logits == full.logits, "\(n)")
                #expect(sparse.decoded == full.decoded, "\(n)")
            }
        }
    }
}
