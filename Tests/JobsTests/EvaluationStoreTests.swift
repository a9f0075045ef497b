import Foundation
import GRDB
import Testing

@testable import Jobs

@Suite struct EvaluationStoreTests {
    private static let spec = EvaluationSpec(
        name: "default", manifest: "/data/list.jsonl",
        manifestSHA256: String(repeating: "0", count: 64), format: "manifest", model: "embedded",
        modelSHA256: "m1")

    private static let items = [
        EvaluationItem(
            video: "/v/1.mp4", question: "Which?", choices: ["a", "b"], expected: "b",
            group: "short",
            customID: "c1"),
        EvaluationItem(video: "/v/2.mp4", question: "How many?", expected: "3"),
    ]

    private static let methods = ["full", "zipvl"].map { name in
        EvaluationMethod(
            label: name, frames: 64,
            optionsJSON: "{\"frames\":64,\"method\":\"\(name)\",\"sampling\":\"time\"}")
    }

    private static func open(
        _ test: TestQueue, items: [EvaluationItem] = items, fresh: Bool = false,
        _ change: (inout EvaluationSpec) -> Void = { _ in }
    ) async throws -> OpenEvaluation {
        var spec = Self.spec
        change(&spec)
        return try await test.queue.openEvaluation(spec, items, methods, fresh: fresh)
    }

    @Test func `an answer comes back as it was stored`() async throws {
        let test = try TestQueue()
        let open = try await Self.open(test)
        try await test.queue.recordEvaluation([
            EvaluationAnswer(method: open.methods[1], item: 0, outcome: .success(.sample("two"))),
            EvaluationAnswer(
                method: open.methods[1], item: 1, outcome: .failure(.sample(.resource))),
        ])
        let stored = try await test.queue.evaluationAnswers(open.methods)
        #expect(stored.map(\.item) == [0, 1])
        #expect(try stored[0].outcome.get() == .sample("two"))
        guard case .failure(let failure) = stored[1].outcome else {
            Issue.record("expected a failure")
            return
        }
        #expect(failure.errorClass == .resource && failure.code == "broken")
        #expect(failure.message == "it broke" && failure.stage == "prefill")

        let row = try await test.queue.read { db in
            let sql = """
                SELECT method_id || '|' || method || '|' || group_name || '|' || expected || '|' || attn_flops_saved_pct
                    || '|' || kv_cache_saved_pct || '|' || warnings || '|' || recorded_at
                    || '|' || sampling || '|' || substituted_frames
                FROM evaluation_results WHERE item = 0
                """
            return try String.fetchOne(db, sql: sql)
        }
        #expect(
            row
                == "\(open.methods[1])|zipvl|short|b|75.0|75.0|frame 3 missing; frame 9 missing|2023-11-14T22:13:20.000Z|time|[[1,3,2],[4,9,10]]"
        )
    }

    @Test func `the same manifest, model and name go on; others begin`() async throws {
        let test = try TestQueue()
        let open = try await Self.open(test)
        try await test.queue.recordEvaluation([
            EvaluationAnswer(method: open.methods[0], item: 1, outcome: .success(.sample("3"))),
            EvaluationAnswer(method: open.methods[1], item: 1, outcome: .failure(.sample(.input))),
        ])
        var moved = Self.items
        moved[0].video = "/elsewhere/1.mp4"
        let again = try await Self.open(test, items: moved) {
            $0.manifest = "/elsewhere/list.jsonl"
        }
        #expect(again.id == open.id && again.methods == open.methods)
        // What failed is open.
        #expect(again.answered == [[1], []])
        #expect(
            try await test.value("SELECT video FROM evaluation_items WHERE item = 0")
                == "/elsewhere/1.mp4")

        for change: (inout EvaluationSpec) -> Void in [
            { $0.name = "second" }, { $0.modelSHA256 = "m2" },
            { $0.manifestSHA256 = String(repeating: "1", count: 64) },
        ] {
            let other = try await Self.open(test, change)
            #expect(other.id != open.id && other.answered == [[], []])
        }
        let fresh = try await Self.open(test, fresh: true)
        #expect(fresh.answered == [[], []])
        #expect(try await test.value("SELECT count(*) FROM evaluation_answers") == 0)
        #expect(try await test.value("SELECT count(*) FROM evaluations") == 4)
    }

    @Test func `an answer replaces a failure and never another answer`() async throws {
        let test = try TestQueue()
        let open = try await Self.open(test)
        func record(_ outcome: Result<Answer, Failure>) async throws {
            try await test.queue.recordEvaluation([
                EvaluationAnswer(method: open.methods[0], item: 0, outcome: outcome)
            ])
        }
        try await record(.failure(.sample(.input)))
        try await record(.success(.sample("one")))
        try await record(.success(.sample("two")))
        try await record(.failure(.sample(.input)))
        let stored = try await test.queue.evaluationAnswers(open.methods)
        #expect(stored.count == 1)
        #expect(try stored[0].outcome.get().answer == "one")
    }

    @Test func `other questions under the same name are refused`() async throws {
        let test = try TestQueue()
        _ = try await Self.open(test)
        var others = Self.items
        others[1].expected = "4"
        let changed = others
        #expect(await errorKind { _ = try await Self.open(test, items: changed) } == .invalid)
        #expect(await errorKind { _ = try await Self.open(test, items: [others[0]]) } == .invalid)
        _ = try await Self.open(test, items: changed, fresh: true)
    }

    @Test(arguments: [
        "UPDATE evaluation_answers SET answer = NULL",
        "UPDATE evaluation_answers SET error_class = 'input'",
        "UPDATE evaluation_answers SET correct = 2",
        "UPDATE evaluation_answers SET correct = NULL",
        "UPDATE evaluation_answers SET method_id = 99",
        "UPDATE evaluation_answers SET attn_flops_used = -1",
        "UPDATE evaluations SET format = 'csv'", "UPDATE evaluations SET manifest_sha256 = 'x'",
        "UPDATE evaluation_methods SET options_json = '{'",
        "UPDATE evaluation_methods SET frames = 0", "UPDATE evaluation_items SET question = ''",
    ])
    func `the tables refuse what makes no sense`(sql: String) async throws {
        let test = try TestQueue()
        let open = try await Self.open(test)
        try await test.queue.recordEvaluation([
            EvaluationAnswer(method: open.methods[0], item: 0, outcome: .success(.sample("two")))
        ])
        #expect(await errorKind { try await test.execute(sql) } == .invalid)
    }
}
