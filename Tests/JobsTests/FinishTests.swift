import Foundation
import Testing

@testable import Jobs

@Suite struct FinishTests {
    @Test func `an answer comes back as it was stored`() async throws {
        let test = try TestQueue()
        try await test.enqueue(1)
        let claim = try await test.claim(try await test.worker())
        #expect(try await test.queue.complete(claim.attempt, .sample("two")) == .stored)
        let detail = try #require(try await test.queue.show(claim.job))
        #expect(detail.answer == .sample("two"))
        #expect(detail.job.state == .succeeded && detail.job.progress == 1)
        #expect(detail.attempts.map(\.outcome) == ["succeeded"])
        #expect(detail.attempts.first?.startedAt == "2023-11-14T22:13:20.000Z")
    }

    @Test func `completing twice stores once`() async throws {
        let test = try TestQueue()
        try await test.enqueue(1)
        let claim = try await test.claim(try await test.worker())
        #expect(try await test.queue.complete(claim.attempt, .sample("first")) == .stored)
        #expect(try await test.queue.complete(claim.attempt, .sample("second")) == .alreadyStored)
        #expect(try await test.queue.show(claim.job)?.answer?.answer == "first")
        #expect(try await test.value("SELECT count(*) FROM answers") == 1)
    }

    @Test func `a worker that comes too late changes nothing`() async throws {
        let test = try TestQueue()
        try await test.enqueue(1)
        let late = try await test.claim(try await test.worker())
        // Elsewhere, so that only the lease tells: it ran out.
        try await test.execute("UPDATE workers SET host = 'elsewhere'")
        test.clock.advance(seconds: 61)
        #expect(try await test.queue.rescue().map(\.fate) == [.requeued])
        let owner = try await test.claim(try await test.worker())
        #expect(owner.job == late.job && owner.attempt != late.attempt)

        let failure = Failure.sample(.internal)
        #expect(try await test.queue.complete(late.attempt, .sample("late")) == .leaseLost)
        #expect(try await test.queue.fail(late.attempt, failure, retryAt: nil) == .leaseLost)
        #expect(try await test.queue.release(late.attempt, reason: "stop") == .leaseLost)
        let reply = try await test.beat(
            late, progress: 1, stage: "late")
        #expect(reply == .lost)
        #expect(try await test.value("SELECT count(*) FROM answers") == 0)
        #expect(try await test.state(owner.job) == .running)

        #expect(try await test.queue.complete(owner.attempt, .sample("mine")) == .stored)
        #expect(try await test.queue.complete(late.attempt, .sample("late")) == .leaseLost)
        let detail = try #require(try await test.queue.show(owner.job))
        #expect(detail.answer?.answer == "mine")
        #expect(detail.attempts.map(\.outcome) == ["lease_lost", "succeeded"])
    }

    @Test func `an unknown token is a lost lease`() async throws {
        let test = try TestQueue()
        #expect(try await test.queue.complete(77, .sample("x")) == .leaseLost)
        #expect(try await test.queue.fail(77, .sample(.internal), retryAt: nil) == .leaseLost)
    }

    @Test func `a failed job waits for its time and runs out of attempts`() async throws {
        let test = try TestQueue()
        let job = try await test.enqueue(1) { $0.maxAttempts = 2 }[0]
        let worker = try await test.worker()
        let first = try await test.claim(worker)
        let later = Date(milliseconds: test.clock.now + 30_000)
        #expect(
            try await test.queue.fail(first.attempt, .sample(.resource), retryAt: later) == .stored)
        #expect(try await test.state(job) == .queued)
        let early = try await test.queue.claim(worker, filter: ClaimFilter(), lease: .seconds(9))
        #expect(early == nil)

        test.clock.advance(seconds: 30)
        let second = try await test.claim(worker)
        #expect(second.number == 2)
        #expect(
            try await test.queue.fail(second.attempt, .sample(.timeout), retryAt: later) == .stored)
        let detail = try #require(try await test.queue.show(job))
        #expect(detail.job.state == .failed && detail.job.errorClass == .timeout)
        #expect(detail.job.errorCode == "broken" && detail.job.errorMessage == "it broke")
        #expect(detail.job.attemptsMade == 2 && detail.job.stage == "prefill")
        #expect(detail.attempts.map(\.outcome) == ["failed", "timeout"])
        #expect(detail.attempts.map(\.errorClass) == [.resource, .timeout])
        #expect(detail.attempts.map(\.stage) == ["prefill", "prefill"])
        let again = try await test.queue.fail(second.attempt, .sample(.timeout), retryAt: later)
        #expect(again == .alreadyStored)
    }

    @Test func `bad input is not tried again, nor is a failure without a time`() async throws {
        let test = try TestQueue()
        try await test.enqueue(2)
        let worker = try await test.worker()
        let first = try await test.claim(worker)
        let soon = Date(milliseconds: test.clock.now)
        _ = try await test.queue.fail(first.attempt, .sample(.input), retryAt: soon)
        #expect(try await test.state(first.job) == .failed)
        let second = try await test.claim(worker)
        _ = try await test.queue.fail(second.attempt, .sample(.internal), retryAt: nil)
        #expect(try await test.state(second.job) == .failed)
    }

    @Test func `an interruption does not count as an attempt`() async throws {
        let test = try TestQueue()
        let job = try await test.enqueue(1) { $0.maxAttempts = 1 }[0]
        let worker = try await test.worker()
        for _ in 0..<5 {
            let claim = try await test.claim(worker)
            #expect(claim.number == 1)
            #expect(try await test.queue.release(claim.attempt, reason: "SIGTERM") == .stored)
            let again = try await test.queue.release(claim.attempt, reason: "SIGTERM")
            #expect(again == .alreadyStored)
        }
        let detail = try #require(try await test.queue.show(job))
        #expect(detail.job.state == .queued && detail.job.attemptsMade == 0)
        #expect(detail.attempts.count == 5)
        #expect(detail.attempts.allSatisfy { $0.outcome == "interrupted" })
        #expect(detail.attempts.first?.errorMessage == "SIGTERM")
        let last = try await test.claim(worker)
        #expect(try await test.queue.complete(last.attempt, .sample("done")) == .stored)
    }

    @Test func `a cancelled task still stores its answer`() async throws {
        let test = try TestQueue()
        try await test.enqueue(1)
        let claim = try await test.claim(try await test.worker())
        let queue = test.queue
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return try await queue.complete(claim.attempt, .sample("late but good"))
        }
        task.cancel()
        #expect(try await task.value == .stored)
    }

    @Test func `waits grow, keep their ceiling and vary by a fifth`() {
        let policy = RetryPolicy()
        var generator = SystemRandomNumberGenerator()
        for (attempt, middle) in [(1, 30.0), (2, 60), (3, 120), (6, 960), (7, 1800), (99, 1800)] {
            let delays = (0..<200).map { _ in
                policy.delay(afterAttempt: attempt, using: &generator) / .seconds(1)
            }
            #expect(delays.allSatisfy { (0.799 * middle...1.201 * middle).contains($0) })
            #expect(Set(delays).count > 100, "all different, so that jobs do not come together")
        }
    }

    @Test func `only what may pass is tried again`() {
        let policy = RetryPolicy()
        var generator = SystemRandomNumberGenerator()
        func delay(_ errorClass: ErrorClass, _ attempt: Int) -> Duration? {
            policy.delay(after: .sample(errorClass), attempt: attempt, of: 3, using: &generator)
        }
        for errorClass in [ErrorClass.resource, .timeout, .crash, .internal] {
            #expect(delay(errorClass, 1) != nil && delay(errorClass, 2) != nil)
            #expect(delay(errorClass, 3) == nil)
        }
        #expect(delay(.input, 1) == nil && delay(.cancelled, 1) == nil)
    }
}
