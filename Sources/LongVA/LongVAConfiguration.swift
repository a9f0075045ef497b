import FoundationEssentials

/// The part of `config.json` that drives the engine, in the checkpoint's own names. Unknown keys are
/// ignored; a key that changes the computation in a way not built here is an error.
package struct LongVAConfiguration: Sendable, Equatable {
    // Qwen2 decoder
    package var hiddenSize: Int
    package var intermediateSize: Int
    package var layerCount: Int
    package var heads: Int
    package var keyValueHeads: Int
    package var headWidth: Int
    package var vocabularySize: Int
    package var rmsNormEpsilon: Double
    package var ropeTheta: Double
    package var tiesWordEmbeddings: Bool
    /// Upper limit of the prompt, `tokenizer_model_max_length`; `nil` where the file names none.
    package var promptLimit: Int?

    // Multimodal part
    package var visionTower: String
    package var selectLayer: Int
    package var poolStride: Int
    package var vision: VisionConfiguration?

    /// `vision_config`, with the keys of transformers' CLIPVisionConfig.
    package struct VisionConfiguration: Sendable, Equatable, Decodable {
        package var hiddenSize: Int
        package var intermediateSize: Int
        package var layerCount: Int
        package var heads: Int
        package var imageSize: Int
        package var patchSize: Int
        package var hiddenActivation: String?
        package var layerNormEpsilon: Double?

        enum CodingKeys: String, CodingKey {
            case hiddenSize = "hidden_size"
            case intermediateSize = "intermediate_size"
            case layerCount = "num_hidden_layers"
            case heads = "num_attention_heads"
            case imageSize = "image_size"
            case patchSize = "patch_size"
            case hiddenActivation = "hidden_act"
            case layerNormEpsilon = "layer_norm_eps"
        }
    }

    /// A decoder without a vision tower, for measurements.
    package init(
        decoderLayers: Int, hiddenSize: Int, intermediateSize: Int, heads: Int,
        keyValueHeads: Int, vocabularySize: Int
    ) {
        self.hiddenSize = hiddenSize
        self.intermediateSize = intermediateSize
        layerCount = decoderLayers
        self.heads = heads
        self.keyValueHeads = keyValueHeads
        headWidth = hiddenSize / heads
        self.vocabularySize = vocabularySize
        rmsNormEpsilon = 1e-6
        ropeTheta = 1e6
        tiesWordEmbeddings = true
        visionTower = ""
        selectLayer = -2
        poolStride = 2
    }

    /// Reads and checks `config.json` of a model directory.
    /// - Throws: `ModelError` (`configuration`) naming the file, the key, what was expected and found.
    package init(directory: String) throws {
        let path = directory + "/config.json"
        let raw: RawConfiguration = try decodeJSON(path)
        try self.init(raw, path: path)
    }
}

/// `config.json` as it stands.
private struct RawConfiguration: Decodable {
    var architectures: [String]?
    var hidden_size: Int?
    var intermediate_size: Int?
    var num_hidden_layers: Int?
    var num_attention_heads: Int?
    var num_key_value_heads: Int?
    var head_dim: Int?
    var vocab_size: Int?
    var rms_norm_eps: Double?
    var rope_theta: Double?
    var tie_word_embeddings: Bool?
    var hidden_act: String?
    var tokenizer_model_max_length: Int?
    var mm_vision_tower: String?
    var mm_projector_type: String?
    var mm_vision_select_layer: Int?
    var mm_vision_select_feature: String?
    var mm_spatial_pool_mode: String?
    var mm_spatial_pool_stride: Int?
    var vision_config: LongVAConfiguration.VisionConfiguration?
}

extension LongVAConfiguration {
    private init(_ raw: RawConfiguration, path: String) throws {
        func required<T>(_ value: T?, _ key: String) throws -> T {
            guard let value else { throw ModelError(.configuration, "\(path): \(key) is missing") }
            return value
        }
        func positive(_ value: Int?, _ key: String) throws -> Int {
            let value = try required(value, key)
            guard value > 0 else {
                throw ModelError(.configuration, "\(path): \(key) must be positive, found \(value)")
            }
            return value
        }
        func supported(_ value: String?, _ only: String, _ key: String) throws {
            guard let value, value != only else { return }
            throw ModelError(
                .configuration, "\(path): \(key) \"\(value)\" is not supported, only \"\(only)\"")
        }

        // `model_type` says qwen2, llava or llava_qwen for the same architecture and decides nothing.
        let architecture = try required(raw.architectures?.first, "architectures")
        guard architecture == "LlavaQwenForCausalLM" else {
            throw ModelError(
                .configuration,
                "\(path): architecture \(architecture) is not supported, only LlavaQwenForCausalLM")
        }
        try supported(raw.hidden_act, "silu", "hidden_act")
        try supported(raw.mm_projector_type, "mlp2x_gelu", "mm_projector_type")
        try supported(raw.mm_vision_select_feature, "patch", "mm_vision_select_feature")
        try supported(raw.mm_spatial_pool_mode, "average", "mm_spatial_pool_mode")
        try supported(raw.vision_config?.hiddenActivation, "quick_gelu", "vision_config.hidden_act")

        hiddenSize = try positive(raw.hidden_size, "hidden_size")
        intermediateSize = try positive(raw.intermediate_size, "intermediate_size")
        layerCount = try positive(raw.num_hidden_layers, "num_hidden_layers")
        heads = try positive(raw.num_attention_heads, "num_attention_heads")
        keyValueHeads = try positive(
            raw.num_key_value_heads ?? raw.num_attention_heads, "num_key_value_heads")
        headWidth = try positive(raw.head_dim ?? hiddenSize / heads, "head_dim")
        vocabularySize = try positive(raw.vocab_size, "vocab_size")
        rmsNormEpsilon = raw.rms_norm_eps ?? 1e-6
        // A default would load a plausible but wrong model: LongVA has 1e9 where Qwen2 has 1e6.
        ropeTheta = try required(raw.rope_theta, "rope_theta")
        tiesWordEmbeddings = raw.tie_word_embeddings ?? false
        promptLimit = raw.tokenizer_model_max_length
        visionTower = try required(raw.mm_vision_tower, "mm_vision_tower")
        selectLayer = raw.mm_vision_select_layer ?? -2
        poolStride = try positive(raw.mm_spatial_pool_stride ?? 2, "mm_spatial_pool_stride")
        vision = raw.vision_config
        guard heads % keyValueHeads == 0, headWidth % 2 == 0 else {
            throw ModelError(
                .configuration,
                "\(path): \(heads) heads of width \(headWidth) cannot be grouped over \(keyValueHeads) key/value heads"
            )
        }
    }
}

/// Reads a JSON file of the model directory.
func decodeJSON<T: Decodable>(_ path: String, as type: T.Type = T.self) throws -> T {
    let data: Data
    do {
        data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
        throw ModelError(.configuration, "\(path): cannot be read, or does not exist")
    }
    do {
        return try JSONDecoder().decode(T.self, from: data)
    } catch let error as DecodingError {
        throw ModelError(.configuration, "\(path): \(words(for: error))")
    }
}

private func words(for error: DecodingError) -> String {
    func key(_ context: DecodingError.Context) -> String {
        context.codingPath.map(\.stringValue).joined(separator: ".")
    }
    switch error {
    case .typeMismatch(let type, let context): return "\(key(context)) is not a \(type)"
    case .valueNotFound(let type, let context): return "\(key(context)) is null, expected a \(type)"
    case .keyNotFound(let missing, let context):
        let parent = key(context)
        return "\(parent.isEmpty ? "" : parent + ".")\(missing.stringValue) is missing"
    case .dataCorrupted(let context):
        let place = key(context)
        return place.isEmpty ? "is not JSON" : "\(place): \(context.debugDescription)"
    @unknown default: return "\(error)"
    }
}
