import LongVA
import Torch

extension KernelTrials {
    /// The next token of several sequences, and what moves on with it, against the host's choice.
    static func sampling(_ maker: inout TrialMaker) throws -> KernelTrial {
        let sequences = maker.pick(Array(1...8))
        let vocabulary = maker.pick(maker.isSmall ? [336, 2056] : [331_776, 152_064])
        // Logits of padding are never looked at.
        let count = vocabulary - maker.pick([0, 3, 7])
        let logits = maker.values([sequences, vocabulary], .bfloat16, bound: 8)
        let values: [Float] = try logits().converted(to: .float32).values()
        let generated = (0..<sequences).map { sequence in
            let row = values[sequence * vocabulary..<sequence * vocabulary + count]
            // The leader too, so that the penalty decides.
            let leader = row.indices.max { values[$0] < values[$1] } ?? row.startIndex
            return maker.numbers(min(20, count), below: count) + [leader - row.startIndex]
        }
        // One that is no number, in the last sequence.
        let bad: Int? = maker.pick([true, false]) ? maker.number(below: count) : nil
        let choice = try SampledStep(
            logits: logits, bad: bad, generated: generated, count: count, maker.machine.place)
        return KernelTrial(
            operation: "next token",
            size: "\(sequences) x \(count) of \(vocabulary)\(bad == nil ? "" : ", one infinite")",
            bytes: sequences * count * 2, limit: 0, inputs: choice.inputs, fused: choice.fused,
            plain: choice.plain)
    }
}

private struct SampledStep {
    private let logits: () throws -> Tensor
    private let bad: Int?
    private let generated: [[Int]]
    private let count: Int
    private let place: Device
    private let state: DecodeState
    private let device: CUDADevice?
    private let choice: NextTokenChoice?

    private static let (length, layers, penalty) = (4, 3, Float(1.05))
    private var sequences: Int { generated.count }

    init(
        logits: @escaping () throws -> Tensor, bad: Int?, generated: [[Int]], count: Int,
        _ place: Device
    ) throws {
        (self.logits, self.bad, self.generated) = (logits, bad, generated)
        (self.count, self.place) = (count, place)
        state = try DecodeState(
            layers: Self.layers, sequences: generated.count, on: place)
        device = try Kernels.device(state.tokens)
        choice = try device.map {
            try NextTokenChoice(
                count: count, penalty: Self.penalty, sequences: generated.count,
                on: DecodeTarget($0))
        }
        let cache = try Tensor.zeros([1, 1, Self.length + 1, 64], .bfloat16, on: place)
        let view = try DecodeState.view(keys: cache, values: cache)
        let all = Array(repeating: view, count: Self.layers * generated.count).flatMap { $0 }
        try state.views.overwrite(
            with: Tensor(all, shape: [Self.layers, generated.count, 5], on: place))
    }

    /// Logits; the state goes back to its beginning.
    func inputs() throws -> [Tensor] {
        let lengths = [Int32](repeating: Int32(Self.length), count: Self.layers * sequences)
        try state.lengths.overwrite(
            with: Tensor(lengths, shape: [Self.layers, sequences], on: place))
        try state.steps.overwrite(with: Tensor.zeros([sequences], .int32, on: place))
        try choice?.begin(generated: generated)
        let logits = try logits()
        if let bad {
            try logits.narrowed(0, from: sequences - 1, count: 1)
                .narrowed(1, from: bad, count: 1)
                .overwrite(with: .filled(.infinity, [1, 1], .bfloat16, on: place))
        }
        return [logits]
    }

    /// Chosen tokens as the host and as the next step reads them, and lengths.
    func fused(_ inputs: [Tensor]) throws -> [Tensor] {
        guard let device, let choice else { return try plain(inputs) }
        try choice(inputs[0], state, on: device)
        let steps: [Int32] = try state.steps.values()
        let tokens: [Int32] = try state.tokens.values()
        let lengths: [Int32] = try state.lengths.values()
        let results = steps.indices.map {
            choice.result(sequence: $0, step: Int(steps[$0]) - 1)
        }
        return try outputs(results, tokens.map { Int($0) }, lengths.map { Int($0) })
    }

    func plain(_ inputs: [Tensor]) throws -> [Tensor] {
        let greedy = GreedyDecoding(tokenCount: count, repetitionPenalty: Self.penalty)
        let results = try generated.enumerated().map { sequence, generated in
            if let bad, sequence == sequences - 1 { return -1 - bad }
            let row: [Float] = try inputs[0].narrowed(0, from: sequence, count: 1)
                .converted(to: .float32).values()
            return try greedy.nextToken(row, generated: generated)
        }
        return try outputs(
            results, results,
            Array(repeating: Self.length + 1, count: Self.layers * sequences))
    }

    /// - Parameter tokens: where the logits are no numbers, any.
    private func outputs(_ results: [Int], _ tokens: [Int], _ lengths: [Int]) throws -> [Tensor] {
        let read = zip(results, tokens).map { $0 < 0 ? 0 : $1 }
        return try [results, read, lengths].map { try Tensor($0.map { Float($0) }) }
    }
}
