import LongVA

/// The sizes of a model whose weights are made up.
struct ModelShape {
    let name: String
    var configuration: LongVAConfiguration
    var vision: CheckpointLayout.Vision

    static let all = [longVA7B, tiny]

    /// lmms-lab/LongVA-7B: Qwen2-7B, CLIP ViT-L/14-336.
    static let longVA7B: ModelShape = {
        var configuration = LongVAConfiguration(
            decoderLayers: 28, hiddenSize: 3584, intermediateSize: 18944, heads: 28,
            keyValueHeads: 4, vocabularySize: 152_064)
        configuration.ropeTheta = 1e9
        configuration.tiesWordEmbeddings = false
        return ModelShape(
            name: "longva-7b", configuration: configuration,
            vision: CheckpointLayout.Vision(
                width: 1024, feedForward: 4096, layerCount: 24, heads: 16, imageSize: 336,
                patchSize: 14, layerNormEpsilon: 1e-5))
    }()

    /// Runs anywhere in seconds; every size is a multiple of what kernels ask for.
    static let tiny: ModelShape = {
        var configuration = LongVAConfiguration(
            decoderLayers: 4, hiddenSize: 256, intermediateSize: 512, heads: 4, keyValueHeads: 2,
            vocabularySize: 16_384)
        configuration.tiesWordEmbeddings = false
        return ModelShape(
            name: "tiny", configuration: configuration,
            vision: CheckpointLayout.Vision(
                width: 128, feedForward: 256, layerCount: 3, heads: 2, imageSize: 112,
                patchSize: 14, layerNormEpsilon: 1e-5))
    }()

    static func named(_ name: String) -> ModelShape? { all.first { $0.name == name } }

    var layout: CheckpointLayout {
        CheckpointLayout(
            configuration, vision: vision, embeddingRows: configuration.vocabularySize,
            headRows: configuration.vocabularySize)
    }

    var tokensPerFrame: Int {
        let side = vision.grid / configuration.poolStride
        return side * side
    }
}
