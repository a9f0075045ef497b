import Foundation
import Synchronization
import Testing

@testable import Jobs

@Suite(.serialized) struct TransferConformance {
    /// A queue with something in every table and in every state but running.
    private func fill(_ test: QueueUnderTest) async throws {
        var index = 100
        for state in JobState.allCases where state != .running {
            _ = try await test.job(in: state, video: index)
            index += 1
        }
        for text in HostileConformance.texts {
            var job = NewJob.sample(video: index, question: text)
            index += 1
            job.choices = [text]
            job.expected = text
            job.customID = text
            job.priority = 500
            job.queue = text
            job.video.path = text
            job.video.framesPerSecond = 30000.0 / 1001
            _ = try await test.queue.enqueue(
                BatchSpec(name: text, source: text, specJSON: "{}"), [job])
            let claim = try await test.claim(try await test.worker())
            _ = try await test.queue.start(claim.attempt)
            try await test.queue.noteLog(claim.attempt, path: "/log")
            if index.isMultiple(of: 3) {
                _ = try await test.queue.fail(
                    claim.attempt,
                    Failure(errorClass: .timeout, code: text, message: text, stage: text),
                    retryAt: test.soon)
            } else {
                var answer = Answer.sample(text)
                answer.totalMS = 1 / 3
                _ = try await test.queue.complete(claim.attempt, answer)
            }
            test.clock.advance(milliseconds: 77)
        }
        let dead = try await test.worker()
        _ = try await test.claim(dead)
        try await test.kill(dead)
        _ = try await test.queue.rescue()
        try await test.queue.pause(queue: "tomorrow")
        try await test.limit("few", 2)
        if let store = test.queue as? any EvaluationStore {
            let open = try await store.openEvaluation(
                EvaluationSpec(
                    name: "n", manifest: "m", manifestSHA256: String(repeating: "0", count: 64),
                    format: "manifest", model: "embedded", modelSHA256: "m1"),
                [
                    EvaluationItem(video: "v", question: "q", choices: ["a"], expected: "a"),
                    EvaluationItem(video: "w", question: "q", expected: "b", group: "g"),
                ], [EvaluationMethod(label: "l", frames: 8, optionsJSON: "{}")], fresh: false)
            try await store.recordEvaluation([
                EvaluationAnswer(method: open.methods[0], item: 0, outcome: .success(.sample("a"))),
                EvaluationAnswer(
                    method: open.methods[0], item: 1, outcome: .failure(.sample(.timeout))),
            ])
        }
    }

    private func chunks(
        of queue: any TransferableQueue, chunk: Int = 7
    ) async throws -> [TransferChunk] {
        let chunks = Mutex<[TransferChunk]>([])
        try await queue.readAll(chunk: chunk) { part in chunks.withLock { $0.append(part) } }
        return chunks.withLock { $0 }
    }

    private func write(_ chunks: [TransferChunk], into queue: any TransferableQueue) async throws {
        let rest = Mutex(chunks[...])
        try await queue.writeAll { rest.withLock { $0.popFirst() } }
    }

    private func transferable(_ queue: any QueueBackend) throws -> any TransferableQueue {
        try #require(queue as? any TransferableQueue)
    }

    private func picture(_ queue: any QueueBackend) async throws -> [String] {
        var lines: [String] = []
        for row in try await queue.list(JobSelection(), limit: 1000) {
            let detail = try #require(try await queue.show(row.jobID))
            let video = detail.video.sorted { $0.key < $1.key }.map { "\($0) \($1)" }
            lines.append("\(detail.job) \(video) \(detail.choices ?? []) \(detail.attempts)")
            lines.append("\(detail.expected ?? "") \(detail.answer.map { "\($0)" } ?? "")")
        }
        lines += try await queue.results(JobSelection(), limit: nil).map { "\($0)" }
        lines += try await queue.status(batch: nil).map { "\($0)" }
        lines += try await queue.queues().map { "\($0)" }
        lines += try await queue.workers().map { "\($0)" }
        return lines
    }

    @Test(arguments: BackendUnderTest.transferable, BackendUnderTest.transferable)
    func `all rows arrive as they were, and work goes on`(
        from: BackendUnderTest, to: BackendUnderTest
    ) async throws {
        try await from.run { source in
            try await fill(source)
            let queue = try transferable(source.queue)
            let chunks = try await chunks(of: queue)
            #expect(chunks.allSatisfy { $0.rows.count <= 7 && !$0.rows.isEmpty })
            #expect(
                chunks.allSatisfy { $0.rows.allSatisfy { [n = $0.columns.count] in $0.count == n } }
            )
            try await to.run { target in
                target.clock.advance(milliseconds: source.clock.now - target.clock.now)
                try await write(chunks, into: try transferable(target.queue))
                let summary = try await queue.transferSummary()
                #expect(try await transferable(target.queue).transferSummary() == summary)
                #expect(summary.counts["jobs"] == 5 + HostileConformance.texts.count)
                #expect(summary.answersSHA256.count == 64)
                let found = try await picture(target.queue)
                for (found, expected) in zip(found, try await picture(source.queue)) {
                    #expect(found == expected)
                }
                // And back again.
                let again = try transferable(try await source.sibling())
                try await write(try await self.chunks(of: transferable(target.queue)), into: again)
                #expect(try await again.transferSummary() == summary)

                let old = try await target.queue.list(JobSelection(), limit: 1000).map(\.jobID)
                let tokens = chunks.filter { $0.table == "attempts" }.flatMap(\.rows).compactMap {
                    if case .integer(let id)? = $0.first { id } else { nil }
                }
                let reused = try await target.queue.enqueue(.sample, [.sample(video: 100)])
                #expect(reused.inserted.isEmpty, "it is known here, too")
                let new = try await target.enqueue([.sample(video: 99)].map(first))
                #expect(new[0] > old.max() ?? 0)
                let claim = try await target.claim(try await target.worker())
                #expect(claim.job == new[0] && !tokens.contains(claim.attempt))
                let stored = try await target.queue.complete(claim.attempt, .sample("x"))
                #expect(stored == .stored)
            }
        }
    }

    private func first(_ job: NewJob) -> NewJob {
        var job = job
        job.priority = 1000
        return job
    }

    @Test(arguments: BackendUnderTest.transferable)
    func `summaries tell one answer from another`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            try await test.enqueue(2)
            let queue = try transferable(test.queue)
            let worker = try await test.worker()
            var seen: Set<String> = [try await queue.transferSummary().answersSHA256]
            for text in ["one", "two"] {
                _ = try await test.queue.complete(
                    try await test.claim(worker).attempt, .sample(text))
                seen.insert(try await queue.transferSummary().answersSHA256)
            }
            #expect(seen.count == 3)
            let twin = try transferable(try await test.sibling())
            try await write(try await chunks(of: queue), into: twin)
            #expect(try await twin.transferSummary() == queue.transferSummary())
            var lines = ""
            for job in try await test.queue.list(JobSelection(), limit: 9).map(\.jobID) {
                let detail = try #require(try await test.queue.show(job))
                let attempt = try #require(detail.attempts.last).attemptID
                let text = ContentIdentity.sha256(try #require(detail.answer).answer)
                lines += "\(job)\t\(attempt)\t\(text)\t9300\t12\n"
            }
            let summary = try await queue.transferSummary()
            #expect(summary.answersSHA256 == ContentIdentity.sha256(lines))
            #expect(
                summary.counts == [
                    "batches": 1, "configs": 1, "videos": 2, "workers": 1, "queues": 1, "jobs": 2,
                    "attempts": 2, "answers": 2, "events": 0, "evaluations": 0,
                    "evaluation_items": 0, "evaluation_methods": 0, "evaluation_answers": 0,
                ])
        }
    }

    @Test(arguments: BackendUnderTest.transferable)
    func `a queue in which jobs run is not moved`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            _ = try await test.job(in: .running)
            let queue = try transferable(test.queue)
            #expect(await errorKind { _ = try await chunks(of: queue) } == .busy)
        }
    }

    @Test(arguments: BackendUnderTest.transferable)
    func `a queue that has jobs takes in no others`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let jobs = try await test.enqueue(2)
            let queue = try transferable(test.queue)
            let rows = try await chunks(of: queue)
            #expect(await errorKind { try await write(rows, into: queue) } == .invalid)
            #expect(try await test.states(jobs) == [.queued, .queued])
        }
    }

    @Test(arguments: BackendUnderTest.transferable)
    func `a move that breaks off leaves nothing`(backend: BackendUnderTest) async throws {
        struct Cut: Error {}
        try await backend.run { test in
            try await fill(test)
            let rows = try await chunks(of: try transferable(test.queue))
            let sibling = try await test.sibling()
            let target = try transferable(sibling)
            let rest = Mutex(rows.dropLast())
            await #expect(throws: (any Error).self) {
                try await target.writeAll {
                    guard let next = rest.withLock({ $0.popFirst() }) else { throw Cut() }
                    return next
                }
            }
            #expect(try await sibling.list(JobSelection(), limit: 9).isEmpty)
            #expect(try await sibling.queues().map(\.queue) == ["default"])
            try await write(rows, into: target)
            #expect(try await target.transferSummary().counts["jobs"] != 0)
        }
    }
}
