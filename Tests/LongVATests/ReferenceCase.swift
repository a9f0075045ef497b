import Foundation
import LongVA
import SparsePrefill
import TestSupport
import Testing
import Torch

/// A tiny checkpoint and what stock transformers classes computed with it (Fixtures/generate.py).
struct ReferenceCase: CustomTestStringConvertible {
    let name: String

    static let all = [
        "mha-single-file", "gqa3-sharded", "gqa7-extras", "tied-choices", "patch14-short",
    ].map(ReferenceCase.init)

    var testDescription: String { name }
    var directory: String { Fixtures.path(name) }

    struct Facts: Decodable {
        let question: String
        let choices: [String]?
        let frames: Int
        let image_side: Int
        let visual_tokens: Int
        let stored_frames: Int
        let taus: [Double]
        let text: String
    }

    func facts() throws -> Facts {
        let data = try Data(contentsOf: URL(fileURLWithPath: directory + "/expected.json"))
        return try JSONDecoder().decode(Facts.self, from: data)
    }

    func expected() throws -> SafetensorsFile {
        // Tensors of a file need the library, whichever test comes first.
        try LoadedTorch.load()
        return try SafetensorsFile(path: directory + "/expected.safetensors")
    }

    /// The model with end tokens switched off: the expected ids run their full length.
    func model(penalty: Float = 1) throws -> LongVAModel {
        try LoadedTorch.load()
        let model = try LongVAModel(ModelOptions(directory: directory))
        model.generation.endOfSequence = []
        model.generation.repetitionPenalty = penalty
        return model
    }

    func frames() throws -> FrameBatch {
        let facts = try facts()
        return FrameBatch(
            pixels: try expected().tensor("frames").values(), count: facts.frames,
            side: facts.image_side)
    }

    func request(
        _ prefill: PrefillConfiguration, maxNewTokens: Int, trace: TraceRequest? = nil
    ) throws -> AnswerRequest {
        let facts = try facts()
        return AnswerRequest(
            question: facts.question, choices: facts.choices, maxNewTokens: maxNewTokens,
            prefill: prefill, trace: trace)
    }
}
