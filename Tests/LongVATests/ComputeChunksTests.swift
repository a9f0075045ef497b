import SparsePrefill
import TestSupport
import Testing
import Torch

@testable import LongVA

/// How much is computed at a time, and what questions about one video share.
@Suite struct ComputeChunksTests {
    @Test(arguments: ReferenceCase.all, [PrefillMethod.full, .zipvl])
    func `small chunks give the same logits`(
        _ reference: ReferenceCase, _ method: PrefillMethod
    ) throws {
        let model = try reference.model()
        let folder = try TemporaryFolder()
        func logits(_ name: String) throws -> Tensor {
            let trace = TraceRequest(path: folder.file(name))
            _ = try model.answer(
                reference.request(
                    PrefillConfiguration(method: method, tau: 1), maxNewTokens: 1, trace: trace),
                frames: reference.frames())
            return try SafetensorsFile(path: trace.path).tensor("prefill_logits")
        }
        let usual = try logits("usual")
        model.chunks = ComputeChunks(feedForwardRows: 5, visionBatch: 3)
        try expectClose(logits("small"), usual, relative: 1e-4, "\(reference.name)")
    }

    @Test func `a GPU takes more at a time than what is tried when it runs out`() {
        let gpu = ComputeChunks.standard(on: .cuda(0))
        #expect(gpu.feedForwardRows > ComputeChunks.small.feedForwardRows)
        #expect(gpu.visionBatch > ComputeChunks.small.visionBatch)
        #expect(ComputeChunks.standard(on: .cpu) == .small)
    }

    @Test(arguments: PrefillMethod.allCases)
    func `a video that was encoded before gives the answer of one that was not`(
        _ method: PrefillMethod
    ) throws {
        let reference = ReferenceCase.all[1]
        let model = try reference.model()
        let request = try reference.request(
            PrefillConfiguration(method: method), maxNewTokens: 8)
        let alone = try model.answer(request, frames: reference.frames())
        let video = try model.encode(
            reference.frames(), classAttention: request.needsClassAttention)
        for _ in 0..<2 {
            let shared = try model.answer(request, video: video)
            #expect(shared.outputIDs == alone.outputIDs)
            #expect(shared.layers == alone.layers)
            #expect(shared.llmFLOPsUsed == alone.llmFLOPsUsed)
        }
        #expect(request.needsClassAttention == (method == .hired))
    }

    @Test(arguments: ReferenceCase.all, ["full", "hired", "evs"])
    func `on the prefix of another question an answer is the same in every bit`(
        _ reference: ReferenceCase, _ name: String
    ) throws {
        let model = try reference.model()
        var prefill = PrefillConfiguration(method: name == "hired" ? .hired : .full)
        if name == "evs" { prefill.premerge = .evs }
        let folder = try TemporaryFolder()
        let video = try model.encode(reference.frames(), classAttention: name == "hired")
        var other = try reference.request(prefill, maxNewTokens: 1)
        other.question = "Something else, and longer than that?"
        other.choices = nil
        let prefix = try #require(try model.prefix(other, video: video) { _, _ in })
        func answer(
            _ file: String, _ prefix: VisualPrefix?
        ) throws -> (GeneratedAnswer, [Float]) {
            let trace = TraceRequest(path: folder.file(file))
            let answer = try model.answer(
                reference.request(prefill, maxNewTokens: 8, trace: trace), video: video,
                prefix: prefix)
            let logits = try SafetensorsFile(path: trace.path).tensor("prefill_logits")
            return (answer, try logits.values())
        }
        let (alone, aloneLogits) = try answer("alone", nil)
        for _ in 0..<2 {
            let (shared, logits) = try answer("shared", prefix)
            #expect(logits == aloneLogits)
            #expect(shared.outputIDs == alone.outputIDs)
            #expect(shared.kvCacheBytesUsed == alone.kvCacheBytesUsed)
        }
        #expect(try prefix.byteCount == prefix.decoded.byteCount)
    }

    @Test(arguments: ReferenceCase.all)
    func `a prompt in two parts computes what it computes in one`(
        _ reference: ReferenceCase
    ) throws {
        let model = try reference.model()
        let request = try reference.request(
            PrefillConfiguration(method: .full), maxNewTokens: 4)
        let answer = try model.answer(request, frames: reference.frames())
        let n = Double(answer.promptTokens)
        let geometry = model.layout.configuration
        let steps = (0..<answer.outputTokens - 1).reduce(0.0) { $0 + n + Double($1) + 1 }
        let pairs = n * (n + 1) / 2 + steps
        let perPair = Double(4 * geometry.headWidth * geometry.heads * geometry.layerCount)
        #expect(answer.attnFLOPsUsed == pairs * perPair)
        #expect(answer.attnFLOPsUsed == answer.attnFLOPsDense)
        #expect(answer.llmFLOPsUsed == answer.llmFLOPsDense)
    }
}
