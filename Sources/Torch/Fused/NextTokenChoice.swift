/// The greedy choice of the next tokens (sampling.cu) and what it needs between steps.
package struct NextTokenChoice {
    private let count: Int
    private let penalty: Float
    private let seen: Tensor  // a bit for each token, int32 [B, words]
    private let choices: Tensor
    private let tickets: Tensor
    private let results: HostResults

    /// Results that wait to be read.
    package static let slots = 4
    private static let threads = 256
    private static let parts = 64

    /// - Parameters:
    ///   - count: ids below it are tokens; the rest of the logits is never looked at.
    ///   - penalty: divides positive and multiplies negative logits of tokens already generated.
    package init(
        count: Int, penalty: Float, sequences: Int, on target: DecodeTarget
    ) throws(TorchError) {
        let place = target.place
        self.count = count
        self.penalty = penalty
        seen = try Tensor.zeros([sequences, (count + 31) / 32], .int32, on: place)
        choices = try Tensor.zeros([sequences, Self.parts, 3], .int32, on: place)
        tickets = try Tensor.zeros([sequences], .int32, on: place)
        results = try HostResults(count: sequences * Self.slots, on: target)
    }

    /// Forgets what was generated before.
    ///
    /// - Parameter generated: of each sequence.
    package func begin(generated: [[Int]]) throws(TorchError) {
        let words = seen.shape[1]
        var bits = [Int32](repeating: 0, count: generated.count * words)
        for (sequence, tokens) in generated.enumerated() {
            for token in tokens where token >= 0 && token < count {
                bits[sequence * words + token / 32] |= Int32(bitPattern: 1 << (token % 32))
            }
        }
        try seen.overwrite(with: Tensor(bits, shape: seen.shape))
    }

    /// Chooses from logits, bfloat16 [B, rows]; moves tokens, steps and lengths of the state on.
    package func callAsFunction(
        _ logits: Tensor, _ state: DecodeState, on launcher: any KernelLauncher
    ) throws(TorchError) {
        try launcher.launch(
            .sampling, "choose_tokens_bf16", grid: (Self.parts, logits.shape[0], 1),
            block: Self.threads, sharedBytes: 0,
            [
                .tensor(logits), .tensor(seen), .tensor(choices), .tensor(tickets),
                .tensor(state.tokens), .tensor(state.steps), .tensor(state.lengths),
                .tensor(state.views), results.argument, .int32(logits.shape[1]),
                .int32(count), .int32(seen.shape[1]), .int32(Self.slots),
                .int32(state.lengths.shape[0]), .float(penalty),
            ])
    }

    /// What a step chose, once the device has done it; -1 - t where the logit of token t is no finite
    /// number.
    package func result(sequence: Int, step: Int) -> Int {
        results[sequence * Self.slots + step % Self.slots]
    }
}

extension DecodeTarget {
    /// x [B, D] = the rows of the table, bfloat16, for the state's tokens.
    package func embed(
        _ table: Tensor, _ state: DecodeState, into x: Tensor, on launcher: any KernelLauncher
    ) throws(TorchError) {
        try launcher.launch(
            .sampling, "embed_tokens_bf16", grid: (x.shape[0], 1, 1), block: 256, sharedBytes: 0,
            [
                .tensor(table), .tensor(state.tokens), .tensor(x), .int32(table.shape[0]),
                .int32(table.shape[1]),
            ])
    }
}
