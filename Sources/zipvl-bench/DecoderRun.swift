import LongVA
import SparsePrefill
import Torch

/// One random decoder and the prompts it is measured with.
struct DecoderRun {
    private(set) var decoder: Qwen2Model
    let shape: ModelShape
    let weights: WeightFormat
    /// Where tokens are kept by grades in the prompt.
    let planted: PlantedColumns?
    let machine: LoadedMachine

    static let prefix = 14
    static let question = 26

    /// - Parameter rows: on which the feed-forward layers run together; `nil` takes the device's usual number.
    init(
        _ shape: ModelShape, _ weights: WeightFormat, planted: Bool, rows: Int? = nil,
        on machine: LoadedMachine
    ) throws {
        self.shape = shape
        self.weights = weights
        self.machine = machine
        self.planted = planted ? PlantedColumns(shape) : nil
        let source = RandomWeights(
            seed: machine.seed, on: machine.place, machine.dtype,
            layers: shape.configuration.layerCount, planted: self.planted)
        decoder = try Qwen2Model(machine.weights(source, weights), shape.layout)
        if let rows { decoder.chunks.feedForwardRows = rows }
    }

    struct Result {
        let milliseconds: Double
        /// [vocabulary]
        let logits: [Float]
        let reports: [LayerReport]
        let profile: PrefillProfile
        /// Highest resident memory while the prefill ran; `nil` where it cannot be read, and on a GPU.
        let peakBytes: Int?
        let ledger: FLOPsLedger

        /// Attended share of each layer.
        func shares(_ n: Int) -> [Double] { reports.map { Double($0.attended) / Double(n) } }
    }

    /// One prefill from an idle device to logits on the host.
    func measure(_ variant: PrefillVariant, tokens n: Int) throws -> Result {
        let prompt = try prompt(n, variant)
        try machine.wait(for: prompt.embeddings)
        var cache = KVCache(
            room: 1,
            plan: KVCachePlan(
                variant.configuration, layerCount: decoder.configuration.layerCount))
        let profile = PrefillProfile()
        let prefill = PrefillPlan(variant.configuration)
        if machine.isCPU { ResidentMemory.resetPeak() }
        let start = ContinuousClock.now
        let (logits, reports) = try decoder.prefill(
            prompt, plan: prefill, cache: &cache, profile: profile)
        let values = try logits.values(as: Float.self)
        let milliseconds = (ContinuousClock.now - start) / .milliseconds(1)
        return Result(
            milliseconds: milliseconds, logits: values, reports: reports, profile: profile,
            peakBytes: machine.isCPU ? ResidentMemory.peak() : nil,
            ledger: FLOPsLedger(
                decoder.decoderSizes, reports: reports, promptTokens: n, decodeSteps: 0))
    }

    /// Random embeddings: a short prefix, visual tokens, a question. Made anew each time, since a prefill may
    /// work in their memory.
    func prompt(_ n: Int, _ variant: PrefillVariant) throws -> Qwen2Model.Prompt {
        let visual = n - Self.prefix - Self.question
        let count = Int(variant.enters * Double(visual))
        let kept = (0..<count).map { $0 * visual / max(count, 1) }
        let positions =
            Array(0..<Self.prefix) + kept.map { Self.prefix + $0 } + Array(n - Self.question..<n)
        let embeddings = try Tensor.uniform(
            [1, positions.count, shape.configuration.hiddenSize], seed: machine.seed, stream: -2,
            machine.dtype, on: machine.place)
        if let planted, !variant.stretch.isEmpty {
            let columns = try planted.columns(
                positions.count, stretch: variant.stretch, seed: machine.seed, on: machine.place)
            try embeddings.narrowed(2, from: 0, count: planted.layers)
                .overwrite(with: columns.unsqueezed(0))
        }
        return Qwen2Model.Prompt(
            embeddings: embeddings,
            layout: PromptLayout(
                count: positions.count, visual: Self.prefix..<Self.prefix + count),
            positions: positions, promptTokens: n)
    }
}
