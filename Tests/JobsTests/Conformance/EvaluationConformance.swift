import Foundation
import Testing

@testable import Jobs

@Suite(.serialized) struct EvaluationConformance {
    private static let spec = EvaluationSpec(
        name: "default", manifest: "/data/list.jsonl",
        manifestSHA256: String(repeating: "0", count: 64), format: "manifest", model: "embedded",
        modelSHA256: "m1")

    private static let items =
        HostileConformance.texts.map { text in
            EvaluationItem(
                video: "/v/\(text).mp4", question: text, choices: [text, "b"], expected: text,
                group: text, customID: text)
        } + [EvaluationItem(video: "/v/2.mp4", question: "How many?", expected: "3")]

    private static let methods = ["full", "zipvl"].map { name in
        EvaluationMethod(
            label: name, frames: 64, optionsJSON: "{\"frames\":64,\"method\":\"\(name)\"}")
    }

    private func open(
        _ store: any EvaluationStore, items: [EvaluationItem] = items, fresh: Bool = false,
        _ change: (inout EvaluationSpec) -> Void = { _ in }
    ) async throws -> OpenEvaluation {
        var spec = Self.spec
        change(&spec)
        return try await store.openEvaluation(spec, items, Self.methods, fresh: fresh)
    }

    @Test(arguments: BackendUnderTest.stores)
    func `answers of an evaluation come back as they were stored`(backend: BackendUnderTest)
        async throws
    {
        try await backend.runStore { store in
            let open = try await open(store)
            try #require(open.methods.count == 2 && open.answered == [[], []])
            try await store.recordEvaluation([
                EvaluationAnswer(method: open.methods[1], item: 1, outcome: .success(.sample("2"))),
                EvaluationAnswer(
                    method: open.methods[1], item: 0, outcome: .failure(.sample(.resource))),
                EvaluationAnswer(
                    method: open.methods[0], item: 2,
                    outcome: .success(.sample(HostileConformance.texts[6]))),
            ])
            let stored = try await store.evaluationAnswers(open.methods)
            #expect(stored.map(\.method) == [open.methods[0], open.methods[1], open.methods[1]])
            try #require(stored.map(\.item) == [2, 0, 1])
            #expect(try stored[0].outcome.get() == .sample(HostileConformance.texts[6]))
            #expect(try stored[2].outcome.get() == .sample("2"))
            guard case .failure(let failure) = stored[1].outcome else {
                Issue.record("expected a failure")
                return
            }
            #expect(failure.errorClass == .resource && failure.code == "broken")
            #expect(failure.message == "it broke" && failure.stage == "prefill")
        }
    }

    @Test(arguments: BackendUnderTest.stores)
    func `the same manifest, model and name go on, others begin`(backend: BackendUnderTest)
        async throws
    {
        try await backend.runStore { store in
            let first = try await open(store)
            try await store.recordEvaluation([
                EvaluationAnswer(
                    method: first.methods[0], item: 1, outcome: .success(.sample("3"))),
                EvaluationAnswer(
                    method: first.methods[1], item: 1, outcome: .failure(.sample(.input))),
            ])
            var moved = Self.items
            moved[0].video = "/elsewhere/1.mp4"
            let again = try await open(store, items: moved) { $0.manifest = "/elsewhere/list" }
            #expect(again.id == first.id && again.methods == first.methods)
            #expect(again.answered == [[1], []], "what failed is open")
            for change: (inout EvaluationSpec) -> Void in [
                { $0.name = "second" }, { $0.modelSHA256 = "m2" },
                { $0.manifestSHA256 = String(repeating: "1", count: 64) },
            ] {
                let other = try await open(store, change)
                #expect(other.id != first.id && other.answered == [[], []])
            }
            #expect(try await open(store, fresh: true).answered == [[], []])
        }
    }

    @Test(arguments: BackendUnderTest.stores)
    func `an answer replaces a failure and never another answer`(backend: BackendUnderTest)
        async throws
    {
        try await backend.runStore { store in
            let open = try await open(store)
            func record(_ outcome: Result<Answer, Failure>) async throws {
                try await store.recordEvaluation([
                    EvaluationAnswer(method: open.methods[0], item: 0, outcome: outcome)
                ])
            }
            try await record(.failure(.sample(.input)))
            try await record(.success(.sample("one")))
            try await record(.success(.sample("two")))
            try await record(.failure(.sample(.input)))
            let stored = try await store.evaluationAnswers(open.methods)
            try #require(stored.count == 1)
            #expect(try stored[0].outcome.get().answer == "one")
        }
    }

    @Test(arguments: BackendUnderTest.stores)
    func `other questions under the same name are refused`(backend: BackendUnderTest) async throws {
        try await backend.runStore { store in
            _ = try await open(store)
            var others = Self.items
            others[1].expected = "4"
            let changed = others
            #expect(await errorKind { _ = try await open(store, items: changed) } == .invalid)
            let fewer = Array(Self.items.dropLast())
            #expect(await errorKind { _ = try await open(store, items: fewer) } == .invalid)
            _ = try await open(store, items: changed, fresh: true)
        }
    }
}
