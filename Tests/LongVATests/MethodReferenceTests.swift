import LongVA
import SparsePrefill
import TestSupport
import Testing
import Torch

/// Every prefill method in the whole model against an independent implementation in PyTorch that
/// computes dense attention under masks (Fixtures/method_oracle.py).
@Suite struct MethodReferenceTests {
    /// Tensors that must be equal to the last index.
    static let indexTensors = ["probe_rows", "kept", "kept_q", "visual_kept"]

    @Test(arguments: ReferenceCase.all)
    func choicesLogitsAndDecodingOfEveryMethodEqualTheOracle(_ reference: ReferenceCase) throws {
        let model = try reference.model()
        let expected = try reference.methodResults()
        for methodCase in try reference.methodCases() {
            try compare(methodCase, of: reference, model, expected)
        }
    }

    private func compare(
        _ methodCase: MethodCase, of reference: ReferenceCase, _ model: LongVAModel,
        _ expected: SafetensorsFile
    ) throws {
        let label = "\(reference.name) \(methodCase.name)"
        let own = "\(methodCase.name)/"
        func indices(_ name: String) throws -> [Int] { try expected.tensor(own + name).values() }

        let configuration = methodCase.options.configuration
        #expect(configuration.problem() == nil, "\(label)")
        let folder = try TemporaryFolder()
        // Hidden states show how many tokens each layer saw.
        let request = TraceRequest(
            path: folder.file("trace.safetensors"), includesHiddenStates: true)
        let ids = try indices("greedy_ids")
        let answer = try model.answer(
            reference.request(configuration, maxNewTokens: ids.count, trace: request),
            frames: reference.frames(inOrder: indices("frames")))
        let trace = try SafetensorsFile(path: request.path)

        for entry in expected.entries.keys.sorted() where entry.hasPrefix(own) {
            let name = String(entry.dropFirst(own.count))
            let parts = name.split(separator: ".").map(String.init)
            if Self.indexTensors.contains(parts[0]) {
                guard trace.entries[name] != nil else {
                    Issue.record("\(label): the trace has no \(name)")
                    continue
                }
                let actual: [Int] = try trace.tensor(name).values()
                #expect(try actual == indices(name), "\(label): \(name)")
            } else if parts[0] == "remaining", let layer = Int(parts[1]) {
                // hidden.(l + 2) is the output of the next layer, on the tokens that went on.
                guard trace.entries["hidden.\(layer + 2)"] != nil else { continue }
                let rows = try trace.tensor("hidden.\(layer + 2)").shape[0]
                #expect(try rows == indices(name).count, "\(label): \(name)")
            }
        }
        try expectClose(
            trace.tensor("prefill_logits"), expected.tensor(own + "prefill_logits"),
            relative: ReferenceTests.tolerance, "\(label): logits")
        #expect(answer.outputIDs == ids, "\(label): greedy ids")
        if configuration.method != .minference {
            let shares = answer.layers.keptRatio.map { $0 ?? .nan }
            #expect(
                zip(shares, methodCase.keptShare).allSatisfy { abs($0 - $1) < 1e-4 },
                "\(label): kept \(shares), expected \(methodCase.keptShare)")
        }
    }

    @Test func everyMethodIsComparedAndReallySkipsSomethingOnThreeCheckpoints() throws {
        var sparse: [PrefillMethod: Set<String>] = [:]
        for reference in ReferenceCase.all {
            for methodCase in try reference.methodCases() {
                let share = methodCase.keptShare
                guard share.reduce(0, +) / Double(share.count) < 0.9 else { continue }
                sparse[methodCase.options.method, default: []].insert(reference.name)
            }
        }
        for method in PrefillMethod.allCases {
            #expect(sparse[method, default: []].count >= 3, "\(method.rawValue)")
        }
    }
}
