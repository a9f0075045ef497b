import Torch

/// The decoders that one model has needed so far: recording a step takes longer than a few of them.
final class GraphDecoders {
    private struct Key: Hashable {
        let sequences: Int
        let tokenCount: Int
        let repetitionPenalty: Float
    }

    private var made: [Key: GraphDecoder?] = [:]

    /// `nil` where the device has no kernels for the model, or they are switched off.
    func decoder(
        _ model: Qwen2Model, sequences: Int, tokenCount: Int, repetitionPenalty: Float
    ) throws -> GraphDecoder? {
        guard Kernels.isEnabled else { return nil }
        let key = Key(
            sequences: sequences, tokenCount: tokenCount, repetitionPenalty: repetitionPenalty)
        if let known = made[key] { return known }
        let decoder = try GraphDecoder.make(
            model, sequences: sequences, tokenCount: tokenCount,
            repetitionPenalty: repetitionPenalty)
        made[key] = .some(decoder)
        return decoder
    }

    /// Bytes of the device's memory; `nil` where sequences cannot be decoded together.
    func deviceMemory(_ model: Qwen2Model) throws -> Int? {
        try GraphDecoder.device(for: model)?.totalMemory
    }
}
