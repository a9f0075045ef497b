import TestSupport
import Testing
import Torch

/// Attention and choice of a decoding step, run by the emulator, against plain operators.
@Suite struct DecodeAttentionTests {
    init() throws { try LoadedTorch.load() }

    /// Sequences with caches of their own lengths, keys and values behind them full of NaN.
    private struct Step {
        let heads: Int
        let keyValueHeads: Int
        let d: Int
        let lengths: [Int]
        let projected: Tensor
        let cosines: Tensor
        let sines: Tensor
        var keys: [Tensor] = []
        var values: [Tensor] = []

        static let tableRows = 3

        init(heads: Int, keyValueHeads: Int, d: Int, lengths: [Int]) throws {
            (self.heads, self.keyValueHeads, self.d) = (heads, keyValueHeads, d)
            self.lengths = lengths
            func bf16(_ shape: [Int], _ seed: UInt64) throws -> Tensor {
                try (Tensor.random(shape, seed) * 2).converted(to: .bfloat16)
            }
            projected = try bf16([lengths.count, (heads + 2 * keyValueHeads) * d], 1)
            let angles = try Tensor.random([lengths.count, Self.tableRows, d], 2) * 9
            cosines = try angles.cos().converted(to: .bfloat16)
            sines = try angles.sin().converted(to: .bfloat16)
            for (index, length) in lengths.enumerated() {
                // As a prefill leaves them: token-major, or heads first.
                for part in 0..<2 {
                    let shape =
                        index % 2 == 0
                        ? [1, keyValueHeads, length + 2, d] : [1, length + 2, keyValueHeads, d]
                    let all = try bf16(shape, UInt64(3 + 2 * index + part))
                    let entries = index % 2 == 0 ? all : try all.transposed(1, 2)
                    try entries.narrowed(2, from: length, count: 2).overwrite(
                        with: Tensor([Float.nan]))
                    if part == 0 { keys.append(entries) } else { values.append(entries) }
                }
            }
        }

        private func heads(_ sequence: Int, from column: Int, _ count: Int) throws -> Tensor {
            try projected.narrowed(0, from: sequence, count: 1)
                .narrowed(1, from: column, count: count * d).reshaped([1, count, 1, d])
        }

        /// By plain operators, float32 behind the rotation.
        func expected(_ sequence: Int) throws -> Tensor {
            func row(_ table: Tensor) throws -> Tensor {
                try table.narrowed(0, from: sequence, count: 1)
                    .narrowed(1, from: sequence % Self.tableRows, count: 1).reshaped([1, d])
            }
            func rotated(_ x: Tensor) throws -> Tensor {
                try x.plainRotated(cosine: row(cosines), sine: row(sines))
            }
            let kept = lengths[sequence]
            func all(_ cached: Tensor, _ new: Tensor) throws -> Tensor {
                try Tensor.concatenated(
                    [cached.narrowed(2, from: 0, count: kept), new], axis: 2
                ).converted(to: .float32)
            }
            let query = try rotated(heads(sequence, from: 0, heads)).converted(to: .float32)
            let value = try heads(sequence, from: heads * d, keyValueHeads)
            let key = try rotated(
                heads(sequence, from: (heads + keyValueHeads) * d, keyValueHeads))
            return try query.attention(
                keys: all(keys[sequence], key), values: all(values[sequence], value),
                isCausal: false
            ).reshaped([1, heads * d])
        }

        /// - Returns: [B, H d] of the sequences given, and what became of the state.
        func run(_ which: [Int], parts: Int) throws -> (output: Tensor, state: DecodeState) {
            let target = DecodeTarget(emulatedMultiprocessors: parts * keyValueHeads)
            let state = try DecodeState(layers: 2, sequences: which.count, on: .cpu)
            let views = try which.map { try DecodeState.view(keys: keys[$0], values: values[$0]) }
            try state.views.overwrite(
                with: Tensor((views + views).flatMap { $0 }, shape: [2, which.count, 5]))
            let counts = which.map { Int32(lengths[$0]) }
            try state.lengths.overwrite(with: Tensor(counts + counts, shape: [2, which.count]))
            try state.steps.overwrite(with: Tensor(which.map { Int32($0) }))
            func rows(_ x: Tensor) throws -> Tensor { try x.gathered(0, Tensor(which)) }
            let attention = try DecodeAttention(
                heads: heads, keyValueHeads: keyValueHeads, headWidth: d,
                sequences: which.count, on: target)
            let emulator = Emulator()
            let output = try emulator.output(
                [which.count, heads * d], .bfloat16, beside: projected)
            for _ in 0..<2 {
                // Twice: what the first leaves behind must not disturb the second.
                try attention(
                    rows(projected), keyColumn: (heads + keyValueHeads) * d,
                    valueColumn: heads * d, cosines: rows(cosines), sines: rows(sines), layer: 1,
                    state, into: output, on: emulator)
            }
            return (try output.converted(to: .float32), state)
        }
    }

    @Test(arguments: [64, 128])
    func attendsToTheCacheAndTheNewToken(_ d: Int) throws {
        for (heads, keyValueHeads) in [(7, 1), (6, 2), (4, 4), (8, 1)] {
            let step = try Step(
                heads: heads, keyValueHeads: keyValueHeads, d: d,
                lengths: [0, 1, 63, 64, 65, 257])
            for parts in [1, 3] {
                let output = try step.run(Array(0..<6), parts: parts).output
                for sequence in 0..<6 {
                    try expectClose(
                        output.narrowed(0, from: sequence, count: 1), step.expected(sequence),
                        relative: 1 / 64,
                        "d \(d), \(heads)/\(keyValueHeads) heads, \(step.lengths[sequence]) entries"
                    )
                }
            }
        }
    }

    /// More than one batch of the join's loads, and more parts than a warp has lanes.
    @Test func joinsManyParts() throws {
        let step = try Step(heads: 3, keyValueHeads: 1, d: 64, lengths: [4500, 9000])
        let output = try step.run([0, 1], parts: 70).output
        for sequence in 0..<2 {
            try expectClose(
                output.narrowed(0, from: sequence, count: 1), step.expected(sequence),
                relative: 1 / 64, "\(step.lengths[sequence]) entries")
        }
    }

    @Test func theNewEntryStandsInTheCache() throws {
        let step = try Step(heads: 6, keyValueHeads: 2, d: 64, lengths: [5, 70])
        _ = try step.run([0, 1], parts: 2)
        for (sequence, length) in step.lengths.enumerated() {
            let value = try step.projected.narrowed(0, from: sequence, count: 1)
                .narrowed(1, from: 6 * 64, count: 2 * 64).converted(to: .float32)
            let stored = try step.values[sequence].narrowed(2, from: length, count: 1)
                .converted(to: .float32)
            #expect(try stored.values(as: Float.self) == value.values(as: Float.self))
            let behind: [Float] = try step.keys[sequence].narrowed(2, from: length + 1, count: 1)
                .converted(to: .float32).values()
            #expect(behind.filter { !$0.isNaN }.isEmpty)
        }
    }

    @Test func aSequenceGetsTheSameBitsAloneAndTogether() throws {
        let step = try Step(heads: 7, keyValueHeads: 1, d: 128, lengths: [300, 0, 64, 17, 130])
        let together: [Float] = try step.run(Array(0..<5), parts: 4).output.values()
        for sequence in 0..<5 {
            let alone: [Float] = try step.run([sequence], parts: 4).output.values()
            #expect(alone == Array(together[sequence * 896..<(sequence + 1) * 896]))
        }
    }

    @Test func theChoiceIsPenalisedAndMovesTheStateOn() throws {
        let target = DecodeTarget(emulatedMultiprocessors: 2)
        let state = try DecodeState(layers: 2, sequences: 3, on: .cpu)
        let cache = try Tensor.zeros([1, 1, 9, 64], .bfloat16)
        let view = try DecodeState.view(keys: cache, values: cache)
        try state.views.overwrite(
            with: Tensor(Array(repeating: view, count: 6).flatMap { $0 }, shape: [2, 3, 5]))
        try state.lengths.overwrite(with: Tensor([4, 5, 9, 4, 5, 9] as [Int32], shape: [2, 3]))
        var logits = [Float](repeating: -2, count: 3 * 1000)
        // 0: the penalised leader loses to the first of two equals. 1: padding is larger. 2: not a number.
        (logits[700], logits[300], logits[301]) = (4, 3.9375, 3.9375)
        (logits[1000 + 998], logits[1000 + 996]) = (9, 1)
        logits[2000 + 44] = .infinity
        let choice = try NextTokenChoice(count: 997, penalty: 1.05, sequences: 3, on: target)
        try choice.begin(generated: [[700, 700], [], [1]])
        try choice(
            Tensor(logits, shape: [3, 1000]).converted(to: .bfloat16), state, on: Emulator())
        #expect((0..<3).map { choice.result(sequence: $0, step: 0) } == [300, 996, -45])
        #expect(try state.tokens.values(as: Int32.self).prefix(2) == [300, 996])
        #expect(try state.steps.values(as: Int32.self) == [1, 1, 1])
        #expect(try state.lengths.values(as: Int32.self) == [5, 6, 9, 5, 6, 9])
    }
}
