import LongVA
import SparsePrefill
import Torch

/// One random decoder and the prompts it is measured with.
struct DecoderRun {
    let decoder: Qwen2Model
    let hidden: Int
    let seed: UInt64

    private static let prefix = 14
    private static let question = 40

    /// A method with the parameters it is measured with.
    struct Plan {
        let name: String
        let configuration: PrefillConfiguration
        /// Share of the visual tokens that enter the decoder: hired's choice needs a vision tower,
        /// so here it takes evenly spaced tokens. What follows costs the same.
        var enters = 1.0
    }

    struct Result {
        let milliseconds: Double
        let reports: [LayerReport]
        let profile: PrefillProfile
        /// Highest resident memory while the prefill ran; `nil` where it cannot be read.
        let peakBytes: Int?
        let ledger: FLOPsLedger
    }

    /// - Parameter tau: at which zipvl keeps the ratio.
    func plans(
        _ methods: [PrefillMethod], tokens n: Int, ratio: Double, tau: Double
    ) -> [Plan] {
        methods.flatMap { method in
            var configuration = PrefillConfiguration(method: method, seed: seed)
            var enters = 1.0
            switch method {
            case .full: break
            case .fastv: configuration.fastvDrop = 1 - ratio
            case .fixed: configuration.ratio = ratio
            case .zipvl: configuration.tau = tau
            // r^2 of the pairs, as the others compute.
            case .qkSparse: configuration.qkRatio = ratio
            case .minference: configuration.minference = patterns(n, share: ratio * ratio)
            case .hired: enters = ratio
            }
            let plan = Plan(name: method.rawValue, configuration: configuration, enters: enters)
            guard method == .zipvl else { return [plan] }
            configuration.rows = .keys
            return [plan, Plan(name: "zipvl:rows=keys", configuration: configuration)]
        }
    }

    /// Vertical lines and slashes of equal number in every head, together a share of the n columns.
    private func patterns(_ n: Int, share: Double) -> MInferencePatterns {
        let lines = max(60, Int(share * Double(n) / 2))
        let sizes = decoder.decoderSizes
        let pattern = MInferencePattern.verticalAndSlash(vertical: lines, slash: lines)
        let layer = Dictionary(
            uniqueKeysWithValues: (0..<sizes.attention.heads).map { ($0, pattern) })
        return MInferencePatterns(layers: Array(repeating: layer, count: sizes.layers))
    }

    /// tau at which zipvl keeps the share, by bisection on a prompt of 2,048 tokens.
    func tau(keeping ratio: Double) throws -> Double {
        var (low, high) = (0.01, 1.0)
        for _ in 0..<10 {
            let tau = (low + high) / 2
            let plan = Plan(
                name: "zipvl",
                configuration: PrefillConfiguration(method: .zipvl, tau: tau, seed: seed))
            let reports = try measure(plan, tokens: 2048).reports
            let kept = reports.reduce(0.0) { $0 + Double($1.attended) } / Double(reports.count)
            if kept / 2048 > ratio { high = tau } else { low = tau }
        }
        return (low + high) / 2
    }

    func measure(_ plan: Plan, tokens n: Int) throws -> Result {
        let prompt = try prompt(n, enters: plan.enters)
        var cache = KVCache(
            room: 1,
            plan: KVCachePlan(plan.configuration, layerCount: decoder.configuration.layerCount))
        let profile = PrefillProfile()
        let prefill = PrefillPlan(plan.configuration)
        ResidentMemory.resetPeak()
        let start = ContinuousClock.now
        let (logits, reports) = try decoder.prefill(
            prompt, plan: prefill, cache: &cache, profile: profile)
        _ = try logits.values(as: Float.self)
        let milliseconds = (ContinuousClock.now - start) / .milliseconds(1)
        return Result(
            milliseconds: milliseconds, reports: reports, profile: profile,
            peakBytes: ResidentMemory.peak(),
            ledger: FLOPsLedger(
                decoder.decoderSizes, reports: reports, promptTokens: n, decodeSteps: 0))
    }

    /// Random embeddings: a short prefix, visual tokens, a question.
    private func prompt(_ n: Int, enters: Double) throws -> Qwen2Model.Prompt {
        let visual = n - Self.prefix - Self.question
        let count = Int(enters * Double(visual))
        let kept = (0..<count).map { $0 * visual / max(count, 1) }
        let positions =
            Array(0..<Self.prefix) + kept.map { Self.prefix + $0 } + Array(n - Self.question..<n)
        var generator = SplitMix64(seed: seed, stream: -2)
        let values = (0..<positions.count * hidden).map { _ in
            Float(generator.next() >> 40) / Float(1 << 23) - 1
        }
        let embedded = try decoder.embed([0])
        return Qwen2Model.Prompt(
            embeddings: try Tensor(values, shape: [1, positions.count, hidden])
                .converted(to: embedded.dtype()).moved(to: embedded.device()),
            layout: PromptLayout(
                count: positions.count, visual: Self.prefix..<Self.prefix + count),
            positions: positions, promptTokens: n)
    }
}
