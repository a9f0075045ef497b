package import Torch

/// Tensor names of the published LongVA layout, and the geometry that only their shapes tell.
package struct CheckpointLayout: Sendable, Equatable {
    /// Geometry of the CLIP vision tower.
    package struct Vision: Sendable, Equatable {
        package var width: Int
        package var feedForward: Int
        package var layerCount: Int
        package var heads: Int
        package var imageSize: Int
        package var patchSize: Int
        package var layerNormEpsilon: Double

        /// Patches on one side of the frame.
        package var grid: Int { imageSize / patchSize }

        package init(
            width: Int, feedForward: Int, layerCount: Int, heads: Int, imageSize: Int,
            patchSize: Int, layerNormEpsilon: Double
        ) {
            self.width = width
            self.feedForward = feedForward
            self.layerCount = layerCount
            self.heads = heads
            self.imageSize = imageSize
            self.patchSize = patchSize
            self.layerNormEpsilon = layerNormEpsilon
        }
    }

    package static let visionPrefix = "model.vision_tower.vision_tower.vision_model"

    package let configuration: LongVAConfiguration
    package let vision: Vision
    /// Rows of the embedding table; re-uploads cut the padding rows that `vocab_size` still counts.
    package let embeddingRows: Int
    package let headRows: Int

    /// The layout of a model that comes from no checkpoint.
    package init(
        _ configuration: LongVAConfiguration, vision: Vision, embeddingRows: Int, headRows: Int
    ) {
        self.configuration = configuration
        self.vision = vision
        self.embeddingRows = embeddingRows
        self.headRows = headRows
    }

    /// - Parameters:
    ///   - text: the checkpoint with the decoder and projector.
    ///   - tower: the checkpoint with the vision tower, and the prefix of its names.
    package init(
        _ configuration: LongVAConfiguration, text: Checkpoint, tower: Checkpoint,
        towerPrefix: String
    ) throws {
        self.configuration = configuration
        vision = try Self.visionGeometry(configuration.vision, tower, prefix: towerPrefix)
        let vocabulary = configuration.vocabularySize
        embeddingRows = text.entry("model.embed_tokens.weight")?.shape.first ?? vocabulary
        headRows = text.entry("lm_head.weight")?.shape.first ?? embeddingRows
    }

    /// `config.json` names only the tower that training started from, so that without
    /// `vision_config` the shapes decide; head width 64 is CLIP's.
    private static func visionGeometry(
        _ configuration: LongVAConfiguration.VisionConfiguration?, _ tower: Checkpoint,
        prefix: String
    ) throws -> Vision {
        if let configuration {
            return Vision(
                width: configuration.hiddenSize, feedForward: configuration.intermediateSize,
                layerCount: configuration.layerCount, heads: configuration.heads,
                imageSize: configuration.imageSize, patchSize: configuration.patchSize,
                layerNormEpsilon: configuration.layerNormEpsilon ?? 1e-5)
        }
        func shape(_ name: String, rank: Int) throws -> [Int] {
            guard let entry = tower.entry("\(prefix).\(name)"), entry.shape.count == rank else {
                throw WeightError(
                    tower.directory,
                    "\(prefix).\(name) with \(rank) dimensions is missing: config.json has no "
                        + "vision_config, so the vision tower's geometry comes from its shapes")
            }
            return entry.shape
        }
        let patch = try shape("embeddings.patch_embedding.weight", rank: 4)
        let positions = try shape("embeddings.position_embedding.weight", rank: 2)[0]
        let feedForward = try shape("encoder.layers.0.mlp.fc1.weight", rank: 2)[0]
        let grid = Int(Double(positions - 1).squareRoot().rounded())
        guard grid * grid == positions - 1 else {
            throw WeightError(
                tower.directory,
                "\(positions) vision positions are not a square grid and one class token")
        }
        var layers = 0
        while tower.entry("\(prefix).encoder.layers.\(layers).layer_norm1.weight") != nil {
            layers += 1
        }
        return Vision(
            width: patch[0], feedForward: feedForward, layerCount: layers,
            heads: max(1, patch[0] / 64), imageSize: grid * patch[3], patchSize: patch[3],
            layerNormEpsilon: 1e-5)
    }
}

extension CheckpointLayout {
    /// Decoder and projector tensors with their shapes.
    package var textTensors: [String: [Int]] {
        let c = configuration
        let (d, f) = (c.hiddenSize, c.intermediateSize)
        let (q, kv) = (c.heads * c.headWidth, c.keyValueHeads * c.headWidth)
        var tensors: [String: [Int]] = [
            "model.embed_tokens.weight": [embeddingRows, d],
            "model.norm.weight": [d],
            "model.mm_projector.0.weight": [d, vision.width],
            "model.mm_projector.0.bias": [d],
            "model.mm_projector.2.weight": [d, d],
            "model.mm_projector.2.bias": [d],
        ]
        if !c.tiesWordEmbeddings { tensors["lm_head.weight"] = [headRows, d] }
        for layer in 0..<c.layerCount {
            let p = "model.layers.\(layer)"
            tensors["\(p).input_layernorm.weight"] = [d]
            tensors["\(p).post_attention_layernorm.weight"] = [d]
            for (name, out) in [("q_proj", q), ("k_proj", kv), ("v_proj", kv)] {
                tensors["\(p).self_attn.\(name).weight"] = [out, d]
                tensors["\(p).self_attn.\(name).bias"] = [out]
            }
            tensors["\(p).self_attn.o_proj.weight"] = [d, q]
            tensors["\(p).mlp.gate_proj.weight"] = [f, d]
            tensors["\(p).mlp.up_proj.weight"] = [f, d]
            tensors["\(p).mlp.down_proj.weight"] = [d, f]
        }
        return tensors
    }

    /// Vision tower tensors with their shapes, all layers and the unused last norm included.
    package func visionTensors(prefix p: String) -> [String: [Int]] {
        let (w, f) = (vision.width, vision.feedForward)
        let patch = vision.patchSize
        var tensors: [String: [Int]] = [
            "\(p).embeddings.class_embedding": [w],
            "\(p).embeddings.patch_embedding.weight": [w, 3, patch, patch],
            "\(p).embeddings.position_embedding.weight": [vision.grid * vision.grid + 1, w],
        ]
        for norm in ["pre_layrnorm", "post_layernorm"] {  // "layrnorm" is the published spelling
            tensors["\(p).\(norm).weight"] = [w]
            tensors["\(p).\(norm).bias"] = [w]
        }
        for layer in 0..<vision.layerCount {
            let l = "\(p).encoder.layers.\(layer)"
            for norm in ["layer_norm1", "layer_norm2"] {
                tensors["\(l).\(norm).weight"] = [w]
                tensors["\(l).\(norm).bias"] = [w]
            }
            for name in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                tensors["\(l).self_attn.\(name).weight"] = [w, w]
                tensors["\(l).self_attn.\(name).bias"] = [w]
            }
            tensors["\(l).mlp.fc1.weight"] = [f, w]
            tensors["\(l).mlp.fc1.bias"] = [f]
            tensors["\(l).mlp.fc2.weight"] = [w, f]
            tensors["\(l).mlp.fc2.bias"] = [w]
        }
        return tensors
    }

    /// Tensors that published checkpoints carry and the video path does not use.
    package static func isIgnored(_ name: String) -> Bool {
        name.hasSuffix("rotary_emb.inv_freq") || name.hasSuffix("embeddings.position_ids")
            || name == "model.image_newline" || name == "lm_head.weight"
    }

    /// The published name for a tensor of a checkpoint that was converted to Hugging Face's own LLaVA
    /// classes (transformers, convert_llava_onevision_weights_to_hf.py, the map read backwards).
    package static func publishedName(_ name: String) -> String {
        let renamed = [
            ("language_model.model.", "model."),
            ("language_model.lm_head.", "lm_head."),
            ("multi_modal_projector.linear_1.", "model.mm_projector.0."),
            ("multi_modal_projector.linear_2.", "model.mm_projector.2."),
            ("vision_tower.vision_model.", visionPrefix + "."),
        ]
        for (from, to) in renamed where name.hasPrefix(from) {
            return to + name.dropFirst(from.count)
        }
        return name == "image_newline" ? "model.image_newline" : name
    }
}
