import Foundation
import LongVA
import SparsePrefill
import TestSupport
import Testing
import Torch

/// What real model directories look like, and what a broken one is refused with.
@Suite struct ModelDirectoryTests {
    private func refusal(_ model: AlteredModel) throws -> String {
        let error = #expect(throws: (any Error).self) { try model.open() }
        return "\(try #require(error))"
    }

    // MARK: Tolerated

    private func expectSameAnswer(_ altered: AlteredModel, as reference: ReferenceCase) throws {
        let model = try altered.load()
        model.generation.endOfSequence = []
        model.generation.repetitionPenalty = 1
        let expected = try reference.expected().tensor("greedy_ids").values(as: Int.self)
        let answer = try model.answer(
            reference.request(PrefillConfiguration(method: .full), maxNewTokens: expected.count),
            frames: reference.frames())
        #expect(answer.outputIDs == expected)
    }

    @Test func namesConvertedToHuggingFaceClassesLoad() throws {
        let reference = ReferenceCase.all[1]
        let model = try AlteredModel(reference.name)
        let renamed = [
            ("model.vision_tower.", ""), ("model.mm_projector.0", "multi_modal_projector.linear_1"),
            ("model.mm_projector.2", "multi_modal_projector.linear_2"),
            ("lm_head", "language_model.lm_head"), ("model.", "language_model.model."),
        ]
        try model.rewriteWeights { name, tensor in
            guard let (from, to) = renamed.first(where: { name.hasPrefix($0.0) }) else {
                return nil
            }
            return (to + name.dropFirst(from.count), tensor)
        }
        try expectSameAnswer(model, as: reference)
    }

    @Test func aSeparateCLIPFolderServesWhenTheCheckpointHasNoTower() throws {
        let reference = ReferenceCase.all[0]
        let prefix = "model.vision_tower.vision_tower."
        let clip = try AlteredModel(reference.name)
        try clip.rewriteWeights { name, tensor in
            name.hasPrefix(prefix) ? (String(name.dropFirst(prefix.count)), tensor) : nil
        }
        let model = try AlteredModel(reference.name)
        try model.rewriteWeights { name, tensor in name.hasPrefix(prefix) ? nil : (name, tensor) }
        try model.configure(["mm_vision_tower": clip.path])
        try expectSameAnswer(model, as: reference)

        try model.configure(["mm_vision_tower": "openai/clip-vit-large-patch14-336"])
        let text = try refusal(model)
        #expect(
            text.contains("holds no vision tower")
                && text.contains("openai/clip-vit-large-patch14-336"))
    }

    @Test func geometryComesFromTensorShapesWithoutAVisionConfig() throws {
        let lacking = ReferenceCase.all.filter {
            guard let data = FileManager.default.contents(atPath: $0.directory + "/config.json"),
                let config = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
            else { return false }
            return config["vision_config"] == nil
        }
        #expect(!lacking.isEmpty)
        for reference in lacking {
            let vision = try ModelDirectory(reference.directory).layout.vision
            #expect(vision.imageSize == (try reference.facts().image_side))
            #expect(vision.heads == vision.width / 64)
        }
    }

    @Test func embeddingTablesCutToTheTokenizerLoad() throws {
        let reference = ReferenceCase.all[0]
        let model = try AlteredModel(reference.name)
        let count = try model.open().tokenizer.count
        try model.rewriteWeights { name, tensor in
            let isTable = name == "model.embed_tokens.weight" || name == "lm_head.weight"
            return (name, isTable ? try tensor.narrowed(0, from: 0, count: count) : tensor)
        }
        try expectSameAnswer(model, as: reference)
    }

    /// 734 tensors with the published names, shapes and shards, no data: 15.87 GB in sparse files.
    @Test func theFullSizeLayoutOpensAndItsMemoryIsCounted() throws {
        try LoadedTorch.load()
        let folder = try TemporaryFolder()
        let script = Process()
        script.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        script.arguments = ["python3", Fixtures.path("full_size_headers.py"), folder.path]
        try script.run()
        script.waitUntilExit()
        try #require(script.terminationStatus == 0)
        try FileManager.default.copyItem(
            atPath: Fixtures.packageRoot + "/Sources/EmbeddedModel/model/qwen8192.tiktoken",
            toPath: folder.file("qwen.tiktoken"))
        try folder.write(
            "added_tokens.json", #"{"<|endoftext|>":8192,"<|im_start|>":8193,"<|im_end|>":8194}"#)

        let model = try ModelDirectory(folder.path)
        #expect(model.layout.vision.imageSize == 336 && model.layout.vision.layerCount == 24)
        #expect(model.layout.vision.heads == 16 && model.configuration.ropeTheta == 1e9)
        let names =
            model.layout.textTensors.count
            + model.layout.visionTensors(prefix: CheckpointLayout.visionPrefix).count
        #expect(names == 734)
        #expect(model.weightBytes(.bfloat16) == 15_871_292_416)
        // A tensor past 4 GiB of its shard maps and reads as the zeros it is.
        let last = try SafetensorsFile(path: folder.file("model-00003-of-00004.safetensors"))
        let bias = try last.tensor("model.mm_projector.2.bias").converted(to: .float32)
        #expect(try bias.values() == [Float](repeating: 0, count: 3584))

        // 128 frames: 18.5k tokens, 1 GiB of keys and values and a few GiB of activations.
        let estimate = MemoryEstimate(
            layout: model.layout, frames: 128, visionBatch: 8, promptTokens: 18_460, newTokens: 64,
            elementBytes: 2)
        #expect((3 << 30..<8 << 30).contains(estimate.bytes))
        let error = #expect(throws: ModelError.self) {
            try estimate.require(available: 1 << 30, promptTokens: 18_460)
        }
        #expect(error?.kind == .wouldNotFit)
        #expect(error?.message.contains("18460 tokens") == true)
    }

    // MARK: Refused

    @Test func aMissingFolderIsNamed() {
        let error = #expect(throws: ModelError.self) { try ModelDirectory("/nowhere/model") }
        #expect(error?.message == "/nowhere/model: no such model directory")
    }

    @Test func aMissingConfigurationIsNamed() throws {
        let model = try AlteredModel("mha-single-file")
        try model.remove("config.json")
        #expect(
            try refusal(model) == "\(model.path)/config.json: cannot be read, or does not exist")
    }

    /// The key, its new value as JSON, and what the refusal must say.
    @Test(arguments: [
        (
            "architectures", #"["LlamaForCausalLM"]"#,
            "architecture LlamaForCausalLM is not supported"
        ),
        ("rope_theta", "null", "rope_theta is missing"),
        ("hidden_size", #""wide""#, "hidden_size is not a Int"),
        ("num_hidden_layers", "0", "num_hidden_layers must be positive, found 0"),
        ("mm_projector_type", #""linear""#, "mm_projector_type \"linear\" is not supported"),
        ("mm_spatial_pool_mode", #""max""#, "mm_spatial_pool_mode \"max\" is not supported"),
    ])
    func aConfigurationThatCannotBeRunSaysWhichKey(
        _ key: String, _ json: String, _ expected: String
    ) throws {
        let model = try AlteredModel("mha-single-file")
        let value = try JSONSerialization.jsonObject(
            with: Data(json.utf8), options: .fragmentsAllowed)
        try model.configure([key: value])
        let text = try refusal(model)
        #expect(text.contains("config.json") && text.contains(expected), "\(text)")
    }

    @Test func aTruncatedShardIsNamed() throws {
        let model = try AlteredModel("gqa3-sharded")
        try model.truncate("model-00002-of-00002.safetensors", by: 100)
        let text = try refusal(model)
        #expect(
            text.contains("model-00002-of-00002.safetensors") && text.contains("cut off"), "\(text)"
        )
    }

    @Test func aMissingShardIsNamed() throws {
        let model = try AlteredModel("gqa3-sharded")
        try model.remove("model-00001-of-00002.safetensors")
        #expect(try refusal(model).contains("names model-00001-of-00002.safetensors, not found"))
    }

    @Test func missingExtraAndMisshapenTensorsStandInOneError() throws {
        let model = try AlteredModel("mha-single-file")
        try model.rewriteWeights { name, tensor in
            switch name {
            case "model.norm.weight": nil
            case "model.layers.0.mlp.up_proj.weight":
                (name, try tensor.narrowed(0, from: 0, count: 3))
            case "model.layers.1.self_attn.q_proj.bias":
                ("model.layers.1.self_attn.q_prob.bias", tensor)
            default: (name, tensor)
            }
        }
        let text = try refusal(model)
        #expect(text.contains("model.norm.weight is missing (expected [48])"), "\(text)")
        #expect(text.contains("model.layers.0.mlp.up_proj.weight has shape [3, 48]"), "\(text)")
        #expect(text.contains("model.layers.1.self_attn.q_proj.bias is missing"), "\(text)")
        #expect(
            text.contains("model.layers.1.self_attn.q_prob.bias is not part of this model"),
            "\(text)")
    }

    @Test func aHeadIsMissedUnlessTheEmbeddingsAreTied() throws {
        let model = try AlteredModel("mha-single-file")
        try model.rewriteWeights { name, tensor in name == "lm_head.weight" ? nil : (name, tensor) }
        #expect(try refusal(model).contains("lm_head.weight is missing"))
    }

    // MARK: Refused while answering

    private func answerError(
        _ model: LongVAModel, _ reference: ReferenceCase, frames: FrameBatch? = nil
    ) throws -> ModelError {
        let batch = try frames ?? reference.frames()
        let request = try reference.request(PrefillConfiguration(), maxNewTokens: 4)
        let error = #expect(throws: ModelError.self) { try model.answer(request, frames: batch) }
        return try #require(error)
    }

    @Test func nanLogitsAreANumericalFailureNotExclamationMarks() throws {
        let reference = ReferenceCase.all[0]
        let model = try AlteredModel(reference.name)
        try model.rewriteWeights { name, tensor in
            guard name == "model.layers.1.mlp.down_proj.weight" else { return (name, tensor) }
            return (name, try tensor.converted(to: .float32) * Float.nan)
        }
        let error = try answerError(try model.load(), reference)
        #expect(error.kind == .numericalFailure && error.message.contains("NaN"))
    }

    @Test func aPromptLongerThanTheModelTakesIsAnErrorNotACutQuestion() throws {
        let reference = ReferenceCase.all[0]
        let model = try AlteredModel(reference.name)
        try model.configure(["tokenizer_model_max_length": 200])
        let error = try answerError(try model.load(), reference)
        #expect(error.kind == .promptTooLong && error.message.contains("exceed the model's 200"))
    }

    @Test func framesOfAnotherSizeAreRefused() throws {
        let reference = ReferenceCase.all[0]
        let frames = FrameBatch(pixels: [UInt8](repeating: 0, count: 12), count: 1, side: 2)
        let error = try answerError(try reference.model(), reference, frames: frames)
        #expect(error.kind == .frames && error.message.contains("of side 2"))
    }

    // MARK: Fingerprint

    @Test func theFingerprintFollowsEverythingThatCanChangeAnAnswer() throws {
        let model = try AlteredModel("gqa3-sharded")
        let before = try LongVAModel.fingerprint(directory: model.path)
        #expect(before.count == 64)
        try model.folder.write("README.md", "not part of the model")
        #expect(try LongVAModel.fingerprint(directory: model.path) == before)
        try model.configure(["rope_theta": 12345.0])
        #expect(try LongVAModel.fingerprint(directory: model.path) != before)
    }

    /// Same names, shapes and sizes: only the weights say that the answers are others.
    @Test func weightsThatWereTrainedFurtherHaveAnotherFingerprint() throws {
        let model = try AlteredModel("gqa3-sharded")
        // One file instead of shards, then its tensors by name: from here on the same header.
        for _ in 0..<2 { try model.rewriteWeights { ($0, $1) } }
        let before = try LongVAModel.fingerprint(directory: model.path)
        try model.rewriteWeights { ($0, $1) }
        #expect(try LongVAModel.fingerprint(directory: model.path) == before)
        try model.rewriteWeights { name, tensor in
            guard name == "model.layers.1.mlp.down_proj.weight" else { return (name, tensor) }
            return (name, try tensor * 1.5)
        }
        #expect(try LongVAModel.fingerprint(directory: model.path) != before)
    }
}
