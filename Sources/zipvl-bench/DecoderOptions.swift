import ArgumentParser
import LongVA

/// The sizes of a random decoder.
struct DecoderOptions: ParsableArguments {
    @Option(help: "longva-7b or tiny, instead of the sizes below.")
    var shape: String?

    @Flag(help: "Weights from the seed: the only ones that this command has.")
    var random = false

    @Option(help: "Layers of the decoder.")
    var layers: Int = 8

    @Option(help: "Hidden size.")
    var hidden: Int = 1024

    @Option(help: "Width of the feed-forward layer.")
    var feedForward: Int = 2816

    @Option(help: "Query heads.")
    var heads: Int = 16

    @Option(help: "Key/value heads.")
    var keyValueHeads: Int = 4

    func validate() throws { _ = try resolved() }

    func resolved() throws -> ModelShape {
        if let shape {
            guard let named = ModelShape.named(shape) else {
                let known = ModelShape.all.map(\.name).joined(separator: ", ")
                throw ValidationError("--shape: \(shape) is none of \(known)")
            }
            return named
        }
        guard layers > 0, hidden > 0, feedForward > 0 else {
            throw ValidationError("--layers, --hidden and --feed-forward must be positive")
        }
        guard heads > 0, keyValueHeads > 0, heads % keyValueHeads == 0, hidden % (2 * heads) == 0
        else {
            throw ValidationError(
                "\(heads) heads over \(keyValueHeads) key/value heads do not divide \(hidden)")
        }
        return ModelShape(
            name: "\(layers)x\(hidden)",
            configuration: LongVAConfiguration(
                decoderLayers: layers, hiddenSize: hidden, intermediateSize: feedForward,
                heads: heads, keyValueHeads: keyValueHeads, vocabularySize: 512),
            vision: ModelShape.tiny.vision)
    }

    /// The same options for another process.
    var arguments: [String] {
        if let shape { return ["--shape", shape] }
        return [
            "--layers", "\(layers)", "--hidden", "\(hidden)", "--feed-forward", "\(feedForward)",
            "--heads", "\(heads)", "--key-value-heads", "\(keyValueHeads)",
        ]
    }
}
