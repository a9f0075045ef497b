import Foundation
import Jobs
import SparsePrefill
import Synchronization
import Testing

@testable import Runner

@Suite struct EvaluatorTests {
    /// Answers "right" to even items and, by zipvl, "wrong" to every third one.
    private final class Stub: EvaluationEngine {
        let sampled = Mutex<[String]>([])
        let asked = Mutex<[String]>([])
        /// Ends the run, as a kill would, once so many answers were given.
        let limit: Int

        /// Whether there is a model.
        let loads: Bool

        init(limit: Int = .max, loads: Bool = true) {
            self.limit = limit
            self.loads = loads
        }

        func load(_ options: AnalysisOptions) async throws {
            if !loads { throw AnalysisError("no model") }
        }

        func frames(of video: String, _ options: AnalysisOptions) async throws -> String {
            sampled.withLock { $0.append("\(video)@\(options.frames)") }
            if video.contains("broken") {
                throw Failure(
                    errorClass: .input, code: "not_a_video", message: "\(video): no video")
            }
            return video
        }

        func answer(
            _ questions: [EvaluationQuestion], _ frames: String,
            each: @escaping @Sendable (Int, Result<Answer, any Error>) -> Void
        ) async throws {
            for (index, question) in questions.enumerated() {
                let count = asked.withLock { asked in
                    asked.append("\(question.item.question) \(question.options.prefill.method)")
                    return asked.count
                }
                if count > limit { throw CancellationError() }
                let number = Int(question.item.question) ?? 0
                let isWrong =
                    number % 2 == 1
                    || (question.options.prefill.method == .zipvl && number % 3 == 0)
                if question.item.question == "13" {
                    each(index, .failure(Failure(errorClass: .resource, code: "x", message: "13")))
                    continue
                }
                var answer = Answer.stub(isWrong ? "wrong" : "right")
                answer.prefillMS = question.options.prefill.method == .zipvl ? 1 : 2
                each(index, .success(answer))
            }
        }
    }

    private static let items = (0..<24).map { number in
        EvaluationItem(
            video: number % 6 == 5 ? "broken" : "v\(number % 4)", question: "\(number)",
            expected: "right", group: number < 12 ? "early" : "late")
    }

    private static let spec = EvaluationSpec(
        name: "default", manifest: "/list", manifestSHA256: String(repeating: "a", count: 64),
        format: "manifest", model: "embedded", modelSHA256: "m")

    private static func run(
        _ queue: SQLiteQueue, _ engine: Stub, fresh: Bool = false, stop: StopSignal = StopSignal(),
        outside: [AnalysisRequest.Key: String] = [:]
    ) async throws -> EvaluationSummary {
        let plan = try EvaluationPlan(specs: [], outside: outside, frames: [4, 8], on: .cpu)
        let ending = try await Evaluator(engine: engine, store: queue, items: items, plan: plan)
            .run(spec, fresh: fresh, stop: stop)
        let answers = try await queue.evaluationAnswers(ending.evaluation.methods)
        return EvaluationSummary(
            items: items, plan: plan,
            answers: ending.evaluation.methods.map { id in answers.filter { $0.method == id } },
            baseline: "full")
    }

    @Test func `a video is sampled once a number of frames, whatever is asked about it`()
        async throws
    {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let engine = Stub()
        _ = try await Self.run(fixture.queue, engine)
        let sampled = engine.sampled.withLock { $0 }
        #expect(sampled.count == Set(sampled).count)
        #expect(Set(sampled) == Set(Self.items.flatMap { ["\($0.video)@4", "\($0.video)@8"] }))
    }

    @Test func `the table counts what hand counting gives`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let summary = try await Self.run(fixture.queue, Stub())
        #expect(summary.methods.map(\.method) == ["full", "zipvl", "full", "zipvl"])
        let (full, sparse) = (summary.methods[0], summary.methods[1])
        // 4 items of the broken video and item 13 fail: 19 are left, 12 of them even, of which 0, 6,
        // 12 and 18 are multiples of 3.
        #expect(full.answered == 19 && full.failed == 5 && full.correct == 12)
        #expect(sparse.answered == 19 && sparse.failed == 5 && sparse.correct == 8)
        #expect(sparse.pairs == 19)
        #expect(abs((sparse.differencePoints ?? 0) - -400.0 / 19) < 1e-9)
        // binomtest(0, 4, 0.5).pvalue
        #expect(abs((sparse.pValue ?? 0) - 0.125) < 1e-12)
        #expect(abs((sparse.agreement ?? 0) - 15.0 / 19) < 1e-12)
        #expect(sparse.prefillRatio == 0.5)
        #expect(sparse.attnFlopsSavedPct == 50 && sparse.kvCacheSavedPct == 50)
        #expect(
            summary.groups.map(\.group) == Array(repeating: "early", count: 4)
                + Array(repeating: "late", count: 4))
        // Even numbers below 12; 5 and 11 are broken.
        #expect(summary.groups[0].correct == 6 && summary.groups[0].answered == 10)
    }

    @Test(arguments: [0, 1, 7, 20, 40])
    func `a run that was cut off goes on where it stopped, to the same table`(
        limit: Int
    ) async throws {
        let whole = try QueueFixture()
        let cut = try QueueFixture()
        defer {
            whole.remove()
            cut.remove()
        }
        let expected = try await Self.run(whole.queue, Stub())
        let first = Stub(limit: limit)
        await #expect(throws: CancellationError.self) { try await Self.run(cut.queue, first) }
        let second = Stub()
        let resumed = try await Self.run(cut.queue, second)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        #expect(try encoder.encode(resumed.methods) == encoder.encode(expected.methods))
        #expect(try encoder.encode(resumed.groups) == encoder.encode(expected.groups))

        let (before, after) = (first.asked.withLock { $0 }, second.asked.withLock { $0 })
        // 20 items that can be asked, 2 methods, 2 numbers of frames; "13" is asked again.
        let again = before.prefix(limit).filter { $0.hasPrefix("13 ") }.count
        #expect(after.count == 80 - min(limit, 80) + again)

        // All stands: only what failed is tried again, unless everything is forgotten.
        let third = Stub()
        _ = try await Self.run(cut.queue, third)
        #expect(third.asked.withLock { $0.allSatisfy { $0.hasPrefix("13 ") } })
        let fourth = Stub()
        _ = try await Self.run(cut.queue, fourth, fresh: true)
        #expect(fourth.asked.withLock { $0.count } == 80)
    }

    @Test func `a model that does not load costs no answers of an earlier run`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        _ = try await Self.run(fixture.queue, Stub())
        await #expect(throws: AnalysisError.self) {
            try await Self.run(fixture.queue, Stub(loads: false), fresh: true)
        }
        let later = Stub()
        _ = try await Self.run(fixture.queue, later)
        #expect(later.asked.withLock { $0.allSatisfy { $0.hasPrefix("13 ") } })
    }

    @Test func `flags that change nothing go on with what stands, others are answered anew`()
        async throws
    {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        _ = try await Self.run(fixture.queue, Stub())
        let same = Stub()
        _ = try await Self.run(fixture.queue, same, outside: [.seed: "0"])
        #expect(same.asked.withLock { $0.allSatisfy { $0.hasPrefix("13 ") } })
        let other = Stub()
        _ = try await Self.run(fixture.queue, other, outside: [.seed: "1"])
        #expect(other.asked.withLock { $0.count } == 80)
    }

    @Test func `asked to stop, it ends after the video in hand`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let stop = StopSignal()
        stop.request(signal: 2)
        let engine = Stub()
        let summary = try await Self.run(fixture.queue, engine, stop: stop)
        #expect(engine.asked.withLock { $0.isEmpty })
        #expect(summary.methods.allSatisfy { $0.answered == 0 && $0.accuracy == nil })
    }
}
