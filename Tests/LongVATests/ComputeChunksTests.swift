import LongVA
import SparsePrefill
import TestSupport
import Testing
import Torch

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
}
