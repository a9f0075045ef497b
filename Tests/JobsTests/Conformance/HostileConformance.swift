import Foundation
import Testing

@testable import Jobs

/// Texts of people, of files and of the model that a database might take for something else.
@Suite(.serialized) struct HostileConformance {
    static let texts = [
        "'; DROP TABLE jobs; --", "\" OR 1=1 --", "%n%s%x%%", "?1 :now $1 @x", "\\'; \\\"; \\x00",
        "line one\nline two\r\n\ttabbed", "\u{1}\u{2}\u{1B}[31mred\u{7F}", "\u{FEFF}\u{202E}abc",
        "👩‍👩‍👧‍👦 🏳️‍🌈 é e\u{301} 日本語", "{\"a\": [1, null]}", "NULL", "  leading and trailing  ",
        "\u{FFFF}\u{10FFFF}", String(repeating: "long ", count: 6553), "*", "[a-z]*", "--",
    ]

    @Test(arguments: BackendUnderTest.all, texts)
    func `any text of people comes back as it was given`(backend: BackendUnderTest, text: String)
        async throws
    {
        try await backend.run { test in
            var job = NewJob.sample(video: 0, question: text)
            job.choices = [text, text + "!"]
            job.expected = text
            job.customID = text
            job.queue = text
            job.video.path = "/videos/\(text).mp4"
            job.video.probeError = text
            job.config.fingerprint = "f2"
            job.config.model = text
            let spec = BatchSpec(name: text, source: text, specJSON: "{}")
            let id = try #require(try await test.queue.enqueue(spec, [job]).inserted.first)
            #expect(try await test.queue.enqueue(spec, [job]).reused.map(\.job) == [id])
            try await test.enqueue([.sample(video: 1), .sample(video: 2)])

            let worker = try await test.worker()
            let filter = ClaimFilter(queues: [text])
            let claim = try #require(try await test.claims(worker, filter: filter).first)
            #expect(claim.job == id && claim.question == text && claim.expected == text)
            #expect(claim.choices == job.choices && claim.customID == text && claim.queue == text)
            #expect(claim.batch == text && claim.video == job.video && claim.model == text)
            #expect(try await test.claims(worker, filter: filter).isEmpty)
            let row = try await test.row(id)
            #expect(row.question == text && row.batch == text && row.customID == text)
            #expect(row.video == job.video.path)
            for selection in [
                JobSelection.with { $0.batch = text }, .with { $0.customID = text },
            ] {
                #expect(try await test.queue.list(selection, limit: 9).map(\.jobID) == [id])
            }
            #expect(try await test.queue.status(batch: text).map(\.batch) == [text])
            #expect(try await test.queue.queues().map(\.queue).contains(text))
            let known = try await test.queue.knownVideo(
                path: job.video.path, sizeBytes: 100, mtimeNanoseconds: 5)
            #expect(known == job.video)
        }
    }

    @Test(arguments: BackendUnderTest.all, texts)
    func `any text of the model or of a failure comes back as it was given`(
        backend: BackendUnderTest, text: String
    ) async throws {
        try await backend.run { test in
            let ids = try await test.enqueue(3)
            let worker = try await test.worker()
            let first = try await test.claim(worker)
            var answer = Answer.sample(text)
            answer.choice = text
            answer.warnings = [text, ""]
            try await test.beat(worker, LiveAttempt(first.attempt, stage: text))
            #expect(try await test.row(ids[0]).stage == text)
            #expect(try await test.queue.complete(first.attempt, answer) == .stored)
            #expect(try await test.queue.show(ids[0])?.answer == answer)
            let result = try #require(
                try await test.queue.results(JobSelection(), limit: nil).first)
            #expect(result["answer"] == .text(text) && result["choice"] == .text(text))
            #expect(result["warnings"] == .text(text + "; "))

            let second = try await test.claim(worker)
            let failure = Failure(
                errorClass: .internal, code: text, message: text, stage: text)
            _ = try await test.queue.fail(second.attempt, failure, retryAt: nil)
            let row = try await test.row(ids[1])
            #expect(row.errorCode == text && row.errorMessage == text && row.stage == text)
            let third = try await test.claim(worker)
            _ = try await test.queue.release(third.attempt, reason: text)
            let attempt = try #require(try await test.queue.show(ids[2])?.attempts.first)
            #expect(attempt.errorMessage == text)
            try await test.queue.unregister(worker, reason: text)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `texts that look alike are told apart by their bytes`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            // Equal to Swift, different in bytes; and what a collation might take for equal.
            let questions = ["caf\u{E9}?", "cafe\u{301}?", "CAFÉ?", "cafe?", "cafe? "]
            var jobs = questions.map { NewJob.sample(video: 0, question: $0) }
            for index in jobs.indices { jobs[index].customID = "\(index)" }
            let ids = try await test.enqueue(jobs)
            #expect(Set(ids).count == 5)
            for (id, question) in zip(ids, questions) {
                #expect(try await Array(test.row(id).question.utf8) == Array(question.utf8))
            }
            let selected = try await test.queue.list(.with { $0.batch = "NIGHT" }, limit: 9)
            #expect(selected.isEmpty)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `queues are ordered by bytes`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let names = ["b", "B", "a-b", "ab", "é", "_"]
            for name in names { try await test.queue.pause(queue: name) }
            #expect(
                try await test.queue.queues().map(\.queue)
                    == ["B", "_", "a-b", "ab", "b", "default", "é"])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a NUL character is refused where people write it`(backend: BackendUnderTest) async throws
    {
        try await backend.run { test in
            let wrongs: [(inout NewJob) -> Void] = [
                { $0.question = "a\0b" }, { $0.question = "\0" }, { $0.choices = ["a\0"] },
                { $0.expected = "\0" }, { $0.customID = "\0x" }, { $0.queue = "q\0" },
                { $0.video.path = "/v\0.mp4" },
            ]
            for wrong in wrongs {
                var job = NewJob.sample(video: 0)
                wrong(&job)
                let bad = job
                let kind = await errorKind { _ = try await test.queue.enqueue(.sample, [bad]) }
                #expect(kind == .invalid)
            }
            let rows = try await test.queue.list(JobSelection(), limit: 9)
            #expect(rows.isEmpty)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a NUL character from a model does not cost its answer`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            try await test.enqueue(2)
            let worker = try await test.worker()
            let claim = try await test.claim(worker)
            #expect(try await test.queue.complete(claim.attempt, .sample("a\0b")) == .stored)
            #expect(try await test.queue.show(claim.job)?.answer?.answer == "a\u{FFFD}b")
            let other = try await test.claim(worker)
            let failure = Failure(errorClass: .internal, code: "x", message: "m\0n")
            #expect(try await test.queue.fail(other.attempt, failure, retryAt: nil) == .stored)
            #expect(try await test.row(other.job).errorMessage == "m\u{FFFD}n")
        }
    }
}
