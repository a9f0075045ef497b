import LongVA
import SparsePrefill
import TestSupport
import Testing
import Torch

/// Every stage of the engine against stock transformers 4.46.3, float32 on the CPU.
@Suite struct ReferenceTests {
    /// Largest difference over largest magnitude.
    static let tolerance: Float = 1e-4

    @Test(arguments: ReferenceCase.all)
    func everyStageEqualsTheReference(_ reference: ReferenceCase) throws {
        let model = try reference.model()
        let expected = try reference.expected()
        let facts = try reference.facts()
        let folder = try TemporaryFolder()
        let trace = TraceRequest(path: folder.file("trace.safetensors"), includesHiddenStates: true)
        _ = try model.answer(
            reference.request(PrefillConfiguration(method: .full), maxNewTokens: 1, trace: trace),
            frames: reference.frames())
        let actual = try SafetensorsFile(path: trace.path)

        func compare(_ name: String, firstFrames: Bool = false) throws {
            var tensor = try actual.tensor(name)
            if firstFrames { tensor = try tensor.narrowed(0, from: 0, count: facts.stored_frames) }
            try expectClose(
                tensor, expected.tensor(name), relative: Self.tolerance, "\(reference.name) \(name)"
            )
        }
        let pixels = try actual.tensor("pixel_values").narrowed(
            0, from: 0, count: facts.stored_frames)
        #expect(try pixels.values(as: Float.self) == expected.tensor("pixel_values").values())
        try compare("vision_features", firstFrames: true)
        try compare("visual_tokens")
        try expectClose(
            model.projector(expected.tensor("vision_features")), expected.tensor("projected"),
            relative: Self.tolerance, "\(reference.name) projected")
        #expect(
            try actual.tensor("prompt_ids").values(as: Int.self)
                == expected.tensor("prompt_ids").values())
        for layer in 0...model.layout.configuration.layerCount { try compare("hidden.\(layer)") }
        try compare("prefill_logits")
    }

    @Test(arguments: ReferenceCase.all, [Float(1), 1.05])
    func greedyTokensEqualTheReference(_ reference: ReferenceCase, _ penalty: Float) throws {
        let model = try reference.model(penalty: penalty)
        let name = penalty == 1 ? "greedy_ids" : "greedy_ids_rp"
        let expected = try reference.expected().tensor(name).values(as: Int.self)
        let answer = try model.answer(
            reference.request(PrefillConfiguration(method: .full), maxNewTokens: expected.count),
            frames: reference.frames())
        #expect(answer.outputIDs == expected)
        #expect(answer.finishReason == .length)
    }

    @Test(arguments: ReferenceCase.all)
    func theAnswerEndsAtAnEndToken(_ reference: ReferenceCase) throws {
        let model = try reference.model()
        let ids = try reference.expected().tensor("greedy_ids").values(as: Int.self)
        // The first id that has not come before: ending there must cut the answer there.
        let end = try #require(ids.indices.dropFirst(4).first { !ids[..<$0].contains(ids[$0]) })
        model.generation.endOfSequence = [ids[end]]
        let answer = try model.answer(
            reference.request(PrefillConfiguration(method: .full), maxNewTokens: ids.count),
            frames: reference.frames())
        #expect(answer.outputIDs == Array(ids[..<end]))
        #expect(answer.finishReason == .stop)
    }

    @Test func aRunLeavesNoTensorBehind() throws {
        let reference = ReferenceCase.all[0]
        let before = Tensor.liveOnThisThread
        try {
            let model = try reference.model()
            let request = try reference.request(PrefillConfiguration(), maxNewTokens: 8)
            _ = try model.answer(request, frames: reference.frames())
            #expect(Tensor.liveOnThisThread > before)
        }()
        #expect(Tensor.liveOnThisThread == before)
    }

    @Test func theSameJobTwiceGivesTheSameAnswerAndKeepsTheSameTokens() throws {
        let reference = ReferenceCase.all[1]
        let request = try reference.request(PrefillConfiguration(tau: 0.9), maxNewTokens: 16)
        let model = try reference.model()
        let first = try model.answer(request, frames: reference.frames())
        let second = try reference.model().answer(request, frames: reference.frames())
        #expect(first.outputIDs == second.outputIDs)
        #expect(first.layers == second.layers)
        #expect(first.layers.keptHash.allSatisfy { $0 != nil })
    }
}
