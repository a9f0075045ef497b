import Foundation
import Testing

@testable import Jobs

@Suite(.serialized) struct ReadmitConformance {
    private func line(_ claim: Claim, _ text: String = "spooled") -> JournalledAnswer {
        JournalledAnswer(
            job: claim.job, attempt: claim.attempt, dedupeKey: claim.dedupeKey,
            answer: .sample(text), writtenAtMS: 1_699_999_990_000)
    }

    /// A job in `state` whose first attempt wrote its answer to a journal and could not store it.
    private func lostAnswer(_ test: QueueUnderTest, _ state: JobState) async throws -> Claim {
        try await test.enqueue(1)
        let claim = try await test.claim(try await test.farWorker())
        test.clock.advance(seconds: 61)
        _ = try await test.queue.rescue()
        switch state {
        case .queued: break
        case .held: _ = try await test.queue.hold(.job(claim.job))
        case .running: _ = try await test.claim(try await test.worker())
        case .cancelled: _ = try await test.queue.cancel(.job(claim.job))
        case .succeeded:
            let other = try await test.claim(try await test.worker())
            _ = try await test.queue.complete(other.attempt, .sample("other"))
        case .failed:
            let other = try await test.claim(try await test.worker())
            _ = try await test.queue.fail(other.attempt, .sample(.internal), retryAt: nil)
        }
        try #require(try await test.state(claim.job) == state)
        return claim
    }

    @Test(arguments: BackendUnderTest.all, [JobState.queued, .held, .failed])
    func `an answer of a job that waits or failed is taken in`(
        backend: BackendUnderTest, state: JobState
    ) async throws {
        try await backend.run { test in
            let claim = try await lostAnswer(test, state)
            #expect(try await test.queue.readmit(line(claim)) == .stored)
            let detail = try #require(try await test.queue.show(claim.job))
            #expect(detail.answer == .sample("spooled"))
            #expect(detail.job.state == .succeeded && detail.job.errorClass == nil)
            #expect(detail.job.progress == 1 && detail.job.errorMessage == nil)
            #expect(detail.attempts.first?.attemptID == claim.attempt)
            #expect(detail.attempts.first?.outcome == "succeeded")
            #expect(detail.attempts.first?.errorClass == nil)
            #expect(detail.attempts.count == (state == .failed ? 2 : 1), "its own attempt made it")
            #expect(try await test.queue.readmit(line(claim, "twice")) == .alreadyAnswered)
            #expect(
                try await test.queue.complete(claim.attempt, .sample("late")) == .alreadyStored)
            let results = try await test.queue.results(JobSelection(), limit: nil)
            #expect(results.map { $0["answer"] } == [.text("spooled")])
            #expect(try await test.drain(try await test.worker()).isEmpty)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `an answer of a job that has one is not needed`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let claim = try await lostAnswer(test, .succeeded)
            #expect(try await test.queue.readmit(line(claim)) == .alreadyAnswered)
            #expect(try await test.queue.show(claim.job)?.answer?.answer == "other")
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `an answer whose reply alone was lost is not taken twice`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            try await test.enqueue(1)
            let claim = try await test.claim(try await test.worker())
            _ = try await test.queue.complete(claim.attempt, .sample("stored"))
            #expect(try await test.queue.readmit(line(claim)) == .alreadyAnswered)
            #expect(try await test.queue.show(claim.job)?.answer?.answer == "stored")
            #expect(try await test.outcomes(claim.job) == ["succeeded"])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a job that runs is left to its worker`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let claim = try await lostAnswer(test, .running)
            #expect(try await test.queue.readmit(line(claim)) == .running)
            #expect(try await test.state(claim.job) == .running)
            #expect(try await test.queue.show(claim.job)?.answer == nil)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a cancelled job stays cancelled`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let claim = try await lostAnswer(test, .cancelled)
            #expect(try await test.queue.readmit(line(claim)) == .cancelled)
            #expect(try await test.state(claim.job) == .cancelled)
            #expect(try await test.queue.results(JobSelection(), limit: nil).isEmpty)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `an answer to nothing is unknown`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let claim = try await lostAnswer(test, .queued)
            var stray = line(claim)
            stray.dedupeKey = "another question"
            #expect(try await test.queue.readmit(stray) == .unknownJob)
            stray.job = 100_000
            #expect(try await test.queue.readmit(stray) == .unknownJob)
            #expect(try await test.state(claim.job) == .queued)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `in a queue that was moved or restored the job is found by what was asked`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            let jobs = try await test.enqueue(3)
            let worker = try await test.worker()
            // The journal's numbers are another job's and another attempt's here.
            let foreign = try await test.claim(worker)
            _ = try await test.queue.complete(foreign.attempt, .sample("its own"))
            var moved = line(foreign)
            moved.dedupeKey = ContentIdentity.dedupeKey(
                contentID: "sha256:2", question: "How many cars?", choices: nil,
                configFingerprint: "f1")
            #expect(try await test.queue.readmit(moved) == .stored)
            #expect(try await test.states(jobs) == [.succeeded, .queued, .succeeded])
            #expect(try await test.queue.show(jobs[0])?.answer?.answer == "its own")
            let detail = try #require(try await test.queue.show(jobs[2]))
            #expect(detail.answer?.answer == "spooled")
            #expect(detail.attempts.map(\.worker) == ["journal"])
            #expect(detail.attempts.map(\.outcome) == ["succeeded"])
            #expect(detail.attempts.first?.attemptID != foreign.attempt)
            #expect(
                try await test.queue.workers().map(\.workerID) == [worker],
                "the journal is nobody who works")
            #expect(try await test.queue.results(JobSelection(), limit: nil).count == 2)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `an answer whose attempt is not known here is taken in`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            let claim = try await lostAnswer(test, .queued)
            var stray = line(claim)
            stray.attempt = 100_000
            #expect(try await test.queue.readmit(stray) == .stored)
            #expect(try await test.outcomes(claim.job) == ["crashed", "succeeded"])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `an answer finds the job that was enqueued anew after a cancellation`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            let claim = try await lostAnswer(test, .cancelled)
            let again = try await test.enqueue(1)[0]
            var other = line(claim)
            other.job = again
            #expect(try await test.queue.readmit(other) == .stored)
            #expect(try await test.states([claim.job, again]) == [.cancelled, .succeeded])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `one journal read by many at once is taken in once`(backend: BackendUnderTest) async throws
    {
        try await backend.run { test in
            let claim = try await lostAnswer(test, .queued)
            let second = try await test.another()
            let line = line(claim)
            let outcomes = try await withThrowingTaskGroup(of: Readmission.self) { group in
                for index in 0..<6 {
                    let queue = index.isMultiple(of: 2) ? test.queue : second
                    group.addTask { try await queue.readmit(line) }
                }
                return try await group.reduce(into: [Readmission]()) { $0.append($1) }
            }
            #expect(outcomes.count { $0 == .stored } == 1)
            #expect(outcomes.count { $0 == .alreadyAnswered } == 5)
        }
    }
}
