import Foundation
import Testing

@testable import Jobs

@Suite struct HostileTextTests {
    @Test(
        arguments: [
            "'; DROP TABLE jobs; --", "%n%s%d %@ \\0 \\u0000", "\u{1}\u{7}\u{1B}[31m\u{7F}\u{9F}",
            "a\nb\r\nc\td", "\u{202E}evil\u{200B}\u{FEFF}", "👩‍👩‍👧‍👦 é e\u{301} \u{10FFFF}",
            #"{"$ref": "x"}"#, "?1 :a @b $c", String(repeating: "é", count: 32768),
        ])
    func `text is stored and given back byte by byte`(text: String) async throws {
        let test = try TestQueue()
        let job = try await test.enqueue(1) {
            $0.question = text
            $0.choices = [text, "b"]
            $0.expected = text
            $0.customID = text
            $0.queue = text
            $0.video.path = "/videos/" + text
        }[0]
        let claim = try await test.claim(try await test.worker())
        #expect(Array(claim.question.utf8) == Array(text.utf8))
        #expect(claim.choices?.first.map { Array($0.utf8) } == Array(text.utf8))
        #expect(claim.customID.map { Array($0.utf8) } == Array(text.utf8))
        #expect(claim.queue == text && claim.expected == text)
        #expect(Array(claim.video.path.utf8) == Array(("/videos/" + text).utf8))
        var answer = Answer.sample(text)
        answer.warnings = [text]
        _ = try await test.queue.complete(claim.attempt, answer)
        #expect(try await test.queue.show(job)?.answer == answer)
        #expect(try await test.findings().isEmpty)
    }

    @Test(arguments: ["", String(repeating: "é", count: 32769), "a\0b", "\0"])
    func `a question that no back end can store is refused, with all of its call`(
        question: String
    ) async throws {
        let test = try TestQueue()
        let kind = await errorKind {
            _ = try await test.queue.enqueue(
                .sample, [.sample(video: 1), .sample(video: 2, question: question)])
        }
        #expect(kind == .invalid)
        #expect(try await test.queue.list(JobSelection(), limit: 9).isEmpty)
    }

    @Test func `the character U+0000 of a model or a library does not cut a text short`()
        async throws
    {
        let test = try TestQueue()
        let jobs = try await test.enqueue(2)
        let worker = try await test.worker()
        let first = try await test.claim(worker)
        #expect(try await test.beat(first, stage: "a\0b") != .lost)
        _ = try await test.queue.complete(first.attempt, .sample("a\0b"))
        #expect(try await test.queue.show(jobs[0])?.answer?.answer == "a\u{FFFD}b")
        var failure = Failure.sample(.input)
        failure.message = "broken\0pipe"
        _ = try await test.queue.fail(test.claim(worker).attempt, failure, retryAt: nil)
        #expect(try await test.queue.show(jobs[1])?.job.errorMessage == "broken\u{FFFD}pipe")
    }
}
