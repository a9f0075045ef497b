import Foundation
import Testing

@testable import Jobs

@Suite(.serialized) struct FinishConformance {
    @Test(arguments: BackendUnderTest.all)
    func `an answer comes back as it was stored`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let jobs = try await test.enqueue(2)
            let worker = try await test.worker()
            var bare = Answer.sample("")
            bare.choice = nil
            bare.correct = nil
            bare.keptTokenRatioMean = nil
            bare.attnFLOPsSavedPctPaper = nil
            bare.peakDeviceBytes = nil
            bare.decodeVideoMS = nil
            bare.visionMS = nil
            bare.prefillMS = nil
            bare.generateMS = nil
            bare.warnings = []
            bare.substitutedFrames = []
            bare.extraJSON = nil
            for answer in [.sample("two"), bare] {
                let claim = try await test.claim(worker)
                test.clock.advance(seconds: 3)
                #expect(try await test.queue.complete(claim.attempt, answer) == .stored)
                let detail = try #require(try await test.another().show(claim.job))
                #expect(detail.answer == answer)
                #expect(detail.job.state == .succeeded && detail.job.progress == 1)
                #expect(detail.job.stage == nil && detail.job.errorClass == nil)
                try #require(detail.attempts.map(\.outcome) == ["succeeded"])
                #expect(detail.attempts[0].endedAt != nil && detail.attempts[0].errorClass == nil)
            }
            #expect(try await test.states(jobs) == [.succeeded, .succeeded])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `completing twice stores once`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let claim = try await test.claim(try await test.worker())
            #expect(try await test.queue.complete(claim.attempt, .sample("first")) == .stored)
            for queue in [test.queue, try await test.another()] {
                #expect(try await queue.complete(claim.attempt, .sample("2nd")) == .alreadyStored)
            }
            #expect(try await test.queue.show(job)?.answer?.answer == "first")
            #expect(try await test.queue.results(JobSelection(), limit: nil).count == 1)
            #expect(try await test.outcomes(job) == ["succeeded"])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `many replies of one completion store one answer`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let claim = try await test.claim(try await test.worker())
            let second = try await test.another()
            let finishes = try await withThrowingTaskGroup(of: Finish.self) { group in
                for index in 0..<8 {
                    let queue = index.isMultiple(of: 2) ? test.queue : second
                    group.addTask { try await queue.complete(claim.attempt, .sample("\(index)")) }
                }
                return try await group.reduce(into: [Finish]()) { $0.append($1) }
            }
            #expect(finishes.count { $0 == .stored } == 1)
            #expect(finishes.count { $0 == .alreadyStored } == 7)
            #expect(try await test.queue.show(job)?.answer != nil)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `an answer that makes no sense is refused and the job stays its worker's`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let claim = try await test.claim(try await test.worker())
            let wrongs: [(inout Answer) -> Void] = [
                { $0.attnFLOPsDense = -1 }, { $0.llmFLOPsUsed = .nan },
                { $0.keptTokenRatioMean = 1.5 }, { $0.extraJSON = "{" },
            ]
            for wrong in wrongs {
                var answer = Answer.sample("x")
                wrong(&answer)
                let nonsense = answer
                let kind = await errorKind {
                    _ = try await test.queue.complete(claim.attempt, nonsense)
                }
                #expect(kind == .invalid)
                #expect(try await test.state(job) == .running)
            }
            #expect(try await test.queue.complete(claim.attempt, .sample("x")) == .stored)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a failed job waits for its time and is tried again`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let worker = try await test.worker()
            let claim = try await test.claim(worker)
            let soon = test.soon
            #expect(
                try await test.queue.fail(claim.attempt, .sample(.resource), retryAt: soon)
                    == .stored)
            let row = try await test.row(job)
            #expect(row.state == .queued && row.attemptsMade == 1 && row.errorClass == nil)
            #expect(try await test.status().retrying == 1)
            #expect(try await test.drain(worker).isEmpty)
            test.clock.advance(seconds: 1)
            #expect(try await test.claim(worker).number == 2)
            let attempt = try #require(try await test.queue.show(job)?.attempts.first)
            #expect(attempt.outcome == "failed" && attempt.errorClass == .resource)
            #expect(attempt.errorCode == "broken" && attempt.errorMessage == "it broke")
            #expect(attempt.stage == "prefill" && attempt.endedAt != nil)
        }
    }

    @Test(
        arguments: BackendUnderTest.all, [ErrorClass.resource, .internal, .crash, .timeout, .input])
    func `a failure without another time is for good`(
        backend: BackendUnderTest, errorClass: ErrorClass
    ) async throws {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let claim = try await test.claim(try await test.worker())
            let failure = Failure.sample(errorClass)
            #expect(try await test.queue.fail(claim.attempt, failure, retryAt: nil) == .stored)
            let row = try await test.row(job)
            #expect(row.state == .failed && row.errorClass == errorClass)
            #expect(row.errorCode == "broken" && row.errorMessage == "it broke")
            #expect(row.stage == "prefill" && row.attemptsMade == 1)
            let outcome = errorClass == .timeout ? "timeout" : "failed"
            #expect(try await test.outcomes(job) == [outcome])
            #expect(try await test.drain(try await test.worker()).isEmpty)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `attempts run out`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let job = try await test.enqueue(1) { $0.maxAttempts = 2 }[0]
            let worker = try await test.worker()
            for expected in [JobState.queued, .failed] {
                let claim = try await test.claim(worker)
                _ = try await test.queue.fail(
                    claim.attempt, .sample(.internal), retryAt: test.soon)
                #expect(try await test.state(job) == expected)
                test.clock.advance(seconds: 1)
            }
            #expect(try await test.row(job).attemptsMade == 2)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `bad input is never tried again`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let claim = try await test.claim(try await test.worker())
            _ = try await test.queue.fail(claim.attempt, .sample(.input), retryAt: test.soon)
            #expect(try await test.state(job) == .failed)
        }
    }

    @Test(arguments: BackendUnderTest.all, [ErrorClass.internal, .timeout, .cancelled])
    func `failing twice counts once`(backend: BackendUnderTest, errorClass: ErrorClass) async throws
    {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let claim = try await test.claim(try await test.worker())
            let failure = Failure.sample(errorClass)
            _ = try await test.queue.fail(claim.attempt, failure, retryAt: test.soon)
            let before = try await test.row(job)
            let again = try await test.queue.fail(claim.attempt, failure, retryAt: nil)
            #expect(again == .alreadyStored)
            let after = try await test.row(job)
            #expect(after.state == before.state && after.attemptsMade == before.attemptsMade)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a worker that reports that it was cancelled ends the job`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let claim = try await test.claim(try await test.worker())
            _ = try await test.queue.cancel(.job(job))
            _ = try await test.queue.fail(claim.attempt, .sample(.cancelled), retryAt: test.soon)
            #expect(try await test.state(job) == .cancelled)
            #expect(try await test.outcomes(job) == ["cancelled"])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `an interruption is no attempt`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let job = try await test.enqueue(1) { $0.maxAttempts = 1 }[0]
            let worker = try await test.worker()
            for _ in 0..<4 {
                let claim = try await test.claim(worker)
                #expect(claim.number == 1)
                #expect(try await test.queue.release(claim.attempt, reason: "stop") == .stored)
                let row = try await test.row(job)
                #expect(row.state == .queued && row.attemptsMade == 0 && row.errorClass == nil)
            }
            let attempts = try #require(try await test.queue.show(job)).attempts
            #expect(attempts.allSatisfy { $0.outcome == "interrupted" && $0.endedAt != nil })
            #expect(attempts.allSatisfy { $0.errorMessage == "stop" } && attempts.count == 4)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `releasing twice counts once`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let claim = try await test.claim(try await test.worker())
            _ = try await test.queue.release(claim.attempt, reason: "stop")
            let again = try await test.queue.release(claim.attempt, reason: "stop")
            #expect(again == .alreadyStored)
            #expect(try await test.row(job).attemptsMade == 0)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `one end of an attempt is not taken for another`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            try await test.enqueue(3)
            let worker = try await test.worker()
            let failure = Failure.sample(.internal)
            let done = try await test.claim(worker)
            _ = try await test.queue.complete(done.attempt, .sample("kept"))
            #expect(try await test.queue.fail(done.attempt, failure, retryAt: nil) == .leaseLost)
            #expect(try await test.queue.release(done.attempt, reason: "") == .leaseLost)
            let detail = try #require(try await test.queue.show(done.job))
            #expect(
                detail.answer?.answer == "kept" && detail.attempts.first?.outcome == "succeeded")

            let failed = try await test.claim(worker)
            _ = try await test.queue.fail(failed.attempt, failure, retryAt: nil)
            #expect(try await test.queue.complete(failed.attempt, .sample("x")) == .leaseLost)
            #expect(try await test.queue.release(failed.attempt, reason: "") == .leaseLost)
            #expect(try await test.state(failed.job) == .failed)

            let released = try await test.claim(worker)
            _ = try await test.queue.release(released.attempt, reason: "stop")
            #expect(try await test.queue.complete(released.attempt, .sample("x")) == .leaseLost)
            #expect(
                try await test.queue.fail(released.attempt, failure, retryAt: nil) == .leaseLost)
            #expect(try await test.state(released.job) == .queued)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `an answer that was ready before the request was heard is kept`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let claim = try await test.claim(try await test.worker())
            _ = try await test.queue.cancel(.job(job))
            #expect(try await test.queue.complete(claim.attempt, .sample("done")) == .stored)
            #expect(try await test.state(job) == .succeeded)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a job to be cancelled does not come back by release, failure or rescue`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            let jobs = try await test.enqueue(3)
            let worker = try await test.worker()
            let first = try await test.claim(worker)
            let second = try await test.claim(worker)
            let dead = try await test.worker()
            _ = try await test.claim(dead)
            _ = try await test.queue.cancel(JobSelection())
            _ = try await test.queue.release(first.attempt, reason: "stop")
            _ = try await test.queue.fail(
                second.attempt, .sample(.internal), retryAt: test.soon)
            try await test.kill(dead)
            #expect(try await test.queue.rescue().map(\.fate) == [.cancelled])
            for job in jobs {
                let row = try await test.row(job)
                #expect(row.state == .cancelled && row.errorClass != nil)
            }
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `ends of a group's attempts do not touch its other jobs`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            let jobs = try await test.enqueueGroup(4)
            let claims = try await test.claims(try await test.worker())
            try #require(claims.count == 4)
            _ = try await test.queue.complete(claims[1].attempt, .sample("x"))
            _ = try await test.queue.fail(claims[2].attempt, .sample(.input), retryAt: nil)
            _ = try await test.queue.release(claims[3].attempt, reason: "stop")
            #expect(try await test.states(jobs) == [.running, .succeeded, .failed, .queued])
            #expect(try await test.row(jobs[0]).attemptsMade == 1)
        }
    }
}
