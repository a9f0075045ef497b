import LongVA
import SparsePrefill
import TestSupport
import Testing
import Torch

/// ZipVL in the whole model against an independent implementation in PyTorch that computes dense
/// attention under masks (Fixtures/zipvl_oracle.py).
@Suite struct ZipVLReferenceTests {
    /// The oracle's seeds leave every score further than this from the boundary of the choice.
    static let scoreTolerance: Float = 1e-5

    private func run(
        _ reference: ReferenceCase, _ prefill: PrefillConfiguration, steps: Int
    ) throws -> (answer: GeneratedAnswer, trace: SafetensorsFile) {
        let folder = try TemporaryFolder()
        let trace = TraceRequest(path: folder.file("trace.safetensors"))
        let answer = try reference.model().answer(
            reference.request(prefill, maxNewTokens: steps, trace: trace),
            frames: reference.frames())
        return (answer, try SafetensorsFile(path: trace.path))
    }

    @Test(arguments: ReferenceCase.all, [0.9, 0.96, 0.975])
    func keptTokensLogitsAndDecodingEqualTheOracle(
        _ reference: ReferenceCase, _ tau: Double
    ) throws {
        let expected = try reference.expected()
        let prefix = "zipvl.\(tau)"
        let ids = try expected.tensor("\(prefix).greedy_ids").values(as: Int.self)
        let (answer, trace) = try run(reference, PrefillConfiguration(tau: tau), steps: ids.count)
        var layer = 0
        while expected.entries["\(prefix).kept.\(layer)"] != nil {
            for name in ["probe_rows", "kept"] {
                #expect(
                    try trace.tensor("\(name).\(layer)").values(as: Int.self)
                        == expected.tensor("\(prefix).\(name).\(layer)").values(as: Int.self),
                    "\(name) of layer \(layer)")
            }
            try expectClose(
                trace.tensor("scores.\(layer)"), expected.tensor("\(prefix).scores.\(layer)"),
                relative: Self.scoreTolerance, "scores of layer \(layer)")
            layer += 1
        }
        #expect(layer == answer.layers.keptRatio.count)
        try expectClose(
            trace.tensor("prefill_logits"), expected.tensor("\(prefix).prefill_logits"),
            relative: ReferenceTests.tolerance, "logits")
        // The oracle decodes densely over all tokens, with the unselected ones masked.
        #expect(answer.outputIDs == ids)
    }

    @Test(arguments: ReferenceCase.all)
    func thresholdOneGivesTheLogitsOfFull(_ reference: ReferenceCase) throws {
        let one = try run(reference, PrefillConfiguration(tau: 1), steps: 4)
        let full = try run(reference, PrefillConfiguration(method: .full), steps: 4)
        // Full computes the question apart from what stands before it: other sums, the same logits.
        try expectClose(
            one.trace.tensor("prefill_logits"), full.trace.tensor("prefill_logits"),
            relative: ReferenceTests.tolerance, "logits")
        #expect(one.answer.outputIDs == full.answer.outputIDs)
        #expect(one.answer.attnFLOPsUsed == one.answer.attnFLOPsDense)
        #expect(one.answer.keptTokenRatioMean == 1)
    }

    @Test(arguments: ReferenceCase.all)
    func keepingAllKeysChangesDecodingButNotThePrefill(_ reference: ReferenceCase) throws {
        let discard = try run(reference, PrefillConfiguration(tau: 0.9), steps: 4)
        let full = try run(reference, PrefillConfiguration(tau: 0.9, kv: .full), steps: 4)
        try expectClose(
            full.trace.tensor("prefill_logits"), discard.trace.tensor("prefill_logits"),
            relative: 1e-6, "logits")
        #expect(full.answer.kvCacheBytesUsed == full.answer.kvCacheBytesDense)
        // The shortest prompt is all text and recent tokens: there is nothing to drop.
        guard discard.answer.keptTokenRatioMean != 1 else { return }
        #expect(discard.answer.kvCacheBytesUsed < discard.answer.kvCacheBytesDense)
        #expect(full.answer.attnFLOPsUsed > discard.answer.attnFLOPsUsed)
    }
}
