package import Torch

/// Greedy decoding of some sequences together, on a device with kernels of its own for every part of a step.
///
/// A step of up to eight sequences is recorded once as a graph of about five kernels a layer, in which
/// nothing depends on lengths, addresses of caches or tokens: those stand in device memory, and the step
/// itself moves them on. The host launches one step ahead of the one whose tokens it reads. Larger batches
/// multiply matrices by libtorch and use the same kernels for the rest.
package final class GraphDecoder {
    /// Rows of cosines and sines that stand on the device at a time.
    private static let tableRows = 256

    private let model: Qwen2Model
    let sequences: Int
    let step: DecodeStep
    let graph: CUDAGraph?
    private let launcher: any KernelLauncher
    /// None on an emulator, which has done what it was given when it returns.
    private let events: [CUDAEvent]
    private let cosines: Tensor  // [B, rows, d]
    private let sines: Tensor

    /// - Parameters:
    ///   - sequences: that are decoded together.
    ///   - tuning: how the kernels are made and launched.
    ///   - recorded: whether a step is launched as one graph, where it can be.
    /// - Returns: `nil` where the model lies on a device without kernels, or has sizes or element types
    ///   that they do not take.
    package static func make(
        _ model: Qwen2Model, sequences: Int, tokenCount: Int, repetitionPenalty: Float,
        tuning: DecodeTuning = DecodeTuning(), recorded: Bool = true
    ) throws -> GraphDecoder? {
        guard let device = try device(for: model), let weights = try DecodeWeights(model) else {
            return nil
        }
        return try GraphDecoder(
            model, weights, sequences: sequences, tokenCount: tokenCount,
            repetitionPenalty: repetitionPenalty, target: DecodeTarget(device, tuning: tuning),
            device, recorded: recorded)
    }

    /// The device of a model whose heads and element type have kernels.
    static func device(for model: Qwen2Model) throws -> CUDADevice? {
        let c = model.configuration
        guard try model.embeddings.dtype() == .bfloat16,
            DecodeAttention.suits(
                heads: c.heads, keyValueHeads: c.keyValueHeads, headWidth: c.headWidth)
        else { return nil }
        return try Kernels.device(model.embeddings)
    }

    init(
        _ model: Qwen2Model, _ weights: DecodeWeights, sequences: Int, tokenCount: Int,
        repetitionPenalty: Float, target: DecodeTarget, _ launcher: any KernelLauncher,
        recorded: Bool
    ) throws {
        self.model = model
        self.sequences = sequences
        self.launcher = launcher
        let shape = [sequences, Self.tableRows, model.configuration.headWidth]
        cosines = try Tensor.zeros(shape, .bfloat16, on: target.place)
        sines = try Tensor.zeros(shape, .bfloat16, on: target.place)
        let choice = try NextTokenChoice(
            count: min(tokenCount, weights.head.rows), penalty: repetitionPenalty,
            sequences: sequences, on: target)
        let step = try DecodeStep(
            model, weights, choice, sequences: sequences, cosines: cosines, sines: sines,
            on: target)
        self.step = step
        guard let device = target.device else {
            (graph, events) = (nil, [])
            return
        }
        graph =
            recorded && sequences <= DecodeTarget.mostSequences
            ? try CUDAGraph(on: device, overlapping: target.tuning.overlap != .none) {
                try step.queue(on: $0)
            } : nil
        events = [try CUDAEvent(on: device), try CUDAEvent(on: device)]
    }

    /// Bytes of weights that a step reads.
    package func weightBytes() throws -> Int { try step.weights.byteCount() }

    /// Decodes until each sequence has ended or reached its limit.
    ///
    /// - Parameters:
    ///   - running: as many sequences as the decoder was made for; done ones are carried along.
    ///   - progress: called after every step with its number, from 1 on; what it throws ends decoding.
    /// - Throws: `ModelError` when a cache is not stored plainly.
    package func decode(
        _ running: inout [DecodingSequence], endOfSequence: Set<Int>,
        progress: (Int, [DecodingSequence]) throws -> Void = { _, _ in }
    ) throws {
        guard running.contains(where: { !$0.isDone }) else { return }
        try begin(running)
        let most = running.reduce(0) { max($0, $1.isDone ? 0 : $1.limit - $1.ids.count) }
        var launched = 0
        var read = 0
        while running.contains(where: { !$0.isDone }) {
            while launched < min(read + 2, most) {
                try launch(launched, running)
                launched += 1
            }
            if !events.isEmpty { try events[read % 2].synchronize() }
            for index in running.indices where !running[index].isDone {
                running[index].step(
                    step.choice.result(sequence: index, step: read), endOfSequence)
            }
            read += 1
            try progress(read, running)
        }
    }

    func launch(_ number: Int, _ running: [DecodingSequence]) throws {
        if number % Self.tableRows == 0 { try fillTables(from: number, running) }
        if let graph { try graph.launch() } else { try step.queue(on: launcher) }
        if !events.isEmpty { try events[number % 2].record() }
    }

    /// What the device knows of the sequences.
    func begin(_ running: [DecodingSequence]) throws {
        guard running.count == sequences else {
            throw ModelError(
                .configuration, "\(running.count) sequences for a decoder of \(sequences)")
        }
        let state = step.state
        let caches = try running.map { sequence in
            guard let layers = sequence.cache.plainLayers else {
                throw ModelError(.configuration, "quantised caches are not decoded in a graph")
            }
            return layers
        }
        let layers = model.layers.count
        var views: [Int] = []
        var lengths: [Int32] = []
        for layer in 0..<layers {
            for cache in caches {
                views += try cache[layer].view()
                lengths.append(Int32(cache[layer].length))
            }
        }
        try state.views.overwrite(with: Tensor(views, shape: [layers, sequences, 5]))
        try state.lengths.overwrite(with: Tensor(lengths, shape: [layers, sequences]))
        try state.steps.overwrite(with: Tensor([Int32](repeating: 0, count: sequences)))
        try state.tokens.overwrite(with: Tensor(running.map { Int32($0.ids.last ?? 0) }))
        try step.choice.begin(generated: running.map(\.ids))
    }

    /// Cosines and sines of the next steps.
    private func fillTables(from number: Int, _ running: [DecodingSequence]) throws {
        for (index, sequence) in running.enumerated() {
            let left = sequence.limit - number
            guard !sequence.isDone, left > 0 else { continue }
            let count = min(Self.tableRows, left)
            // The id that step 0 reads stands where the prompt ends.
            let first = sequence.position + number
            let table = try model.rotary.table(Array(first..<first + count))
            for (all, part) in [(cosines, table.cosine), (sines, table.sine)] {
                try all.narrowed(0, from: index, count: 1).narrowed(1, from: 0, count: count)
                    .overwrite(with: part)
            }
        }
    }
}
