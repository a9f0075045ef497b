import Foundation
import Testing

@testable import Jobs

/// What a worker does that does not know that its job is its no more.
enum LateCall: String, CaseIterable, Sendable {
    case start, heartbeat, complete, fail, release

    /// Whether the queue told the worker that its lease is lost.
    func isRefused(_ test: QueueUnderTest, _ worker: WorkerID, _ attempt: AttemptID) async throws
        -> Bool
    {
        switch self {
        case .start: try await !test.queue.start(attempt)
        case .heartbeat:
            try await test.beat(worker, LiveAttempt(attempt, progress: 0.9, stage: "late"))
                == [attempt: .lost]
        case .complete:
            try await test.queue.complete(attempt, .sample("late")) == .leaseLost
        case .fail:
            try await test.queue.fail(attempt, .sample(.internal), retryAt: nil) == .leaseLost
        case .release: try await test.queue.release(attempt, reason: "late") == .leaseLost
        }
    }
}

@Suite(.serialized) struct FencingConformance {
    /// A claim of a worker elsewhere whose lease ran out and whose job was taken back.
    private func lose(_ test: QueueUnderTest) async throws -> (worker: WorkerID, claim: Claim) {
        try await test.enqueue(1)
        let worker = try await test.farWorker()
        let claim = try await test.claim(worker)
        test.clock.advance(seconds: 61)
        #expect(try await test.queue.rescue().map(\.fate) == [.requeued])
        return (worker, claim)
    }

    @Test(arguments: BackendUnderTest.all, LateCall.allCases)
    func `a late call does not touch a job that waits again`(
        backend: BackendUnderTest, call: LateCall
    ) async throws {
        try await backend.run { test in
            let (worker, late) = try await lose(test)
            #expect(try await call.isRefused(test, worker, late.attempt))
            let row = try await test.row(late.job)
            #expect(row.state == .queued && row.attemptsMade == 0 && row.progress == nil)
            #expect(row.stage == nil && row.errorClass == nil)
            #expect(try await test.queue.results(JobSelection(), limit: nil).isEmpty)
        }
    }

    @Test(arguments: BackendUnderTest.all, LateCall.allCases)
    func `a late call does not touch another worker's attempt`(
        backend: BackendUnderTest, call: LateCall
    ) async throws {
        try await backend.run { test in
            let (worker, late) = try await lose(test)
            let owner = try await test.farWorker()
            let claim = try await test.claim(owner)
            #expect(claim.job == late.job && claim.attempt != late.attempt)
            #expect(try await call.isRefused(test, worker, late.attempt))
            let row = try await test.row(late.job)
            #expect(row.state == .running && row.progress == 0 && row.stage == nil)
            #expect(try await test.queue.show(late.job)?.attempts.last?.begunAt == nil)
            // Nor did it prolong the owner's lease.
            test.clock.advance(seconds: 59)
            #expect(try await test.queue.rescue().isEmpty)
            #expect(try await test.queue.complete(claim.attempt, .sample("mine")) == .stored)
            #expect(try await call.isRefused(test, worker, late.attempt))
            #expect(try await test.queue.show(late.job)?.answer?.answer == "mine")
        }
    }

    @Test(arguments: BackendUnderTest.all, LateCall.allCases)
    func `a late call does not touch a newer attempt of the same worker`(
        backend: BackendUnderTest, call: LateCall
    ) async throws {
        try await backend.run { test in
            let (worker, late) = try await lose(test)
            let claim = try await test.claim(worker)
            #expect(try await call.isRefused(test, worker, late.attempt))
            #expect(try await test.row(late.job).state == .running)
            #expect(try await test.queue.complete(claim.attempt, .sample("mine")) == .stored)
            #expect(try await test.queue.show(late.job)?.answer?.answer == "mine")
        }
    }

    @Test(arguments: BackendUnderTest.all, LateCall.allCases)
    func `a token that never was is a lost lease`(backend: BackendUnderTest, call: LateCall)
        async throws
    {
        try await backend.run { test in
            try await test.enqueue(1)
            let worker = try await test.worker()
            let claim = try await test.claim(worker)
            #expect(try await call.isRefused(test, worker, claim.attempt + 77_777))
            #expect(try await call.isRefused(test, worker, -1))
            #expect(try await test.row(claim.job).state == .running)
        }
    }

    @Test(arguments: BackendUnderTest.all, LateCall.allCases)
    func `a job id is no token`(backend: BackendUnderTest, call: LateCall) async throws {
        try await backend.run { test in
            let jobs = try await test.enqueue(3)
            let worker = try await test.worker()
            // Tokens are moved away from the numbers of jobs.
            for _ in 0..<9 {
                let claim = try await test.claim(worker)
                _ = try await test.queue.release(claim.attempt, reason: "stop")
            }
            let claim = try await test.claim(worker)
            for job in jobs where job != claim.attempt {
                _ = try await call.isRefused(test, worker, job)
            }
            #expect(try await test.row(claim.job).state == .running)
            #expect(try await test.row(claim.job).progress == 0)
        }
    }

    @Test(arguments: BackendUnderTest.all, [LateCall.complete, .fail, .release])
    func `the attempt of a worker that was taken for dead is marked as late`(
        backend: BackendUnderTest, call: LateCall
    ) async throws {
        try await backend.run { test in
            let (worker, late) = try await lose(test)
            #expect(try await test.outcomes(late.job) == ["crashed"])
            #expect(try await call.isRefused(test, worker, late.attempt))
            #expect(try await test.outcomes(late.job) == ["lease_lost"])
            #expect(try await call.isRefused(test, worker, late.attempt))
            #expect(try await test.outcomes(late.job) == ["lease_lost"])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a worker that lost a job goes on with new work`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let (worker, late) = try await lose(test)
            _ = try await test.queue.complete(late.attempt, .sample("late"))
            let claim = try await test.claim(worker)
            #expect(claim.job == late.job && claim.number == 1 && claim.crashes == 1)
            #expect(try await test.queue.start(claim.attempt))
            #expect(try await test.queue.complete(claim.attempt, .sample("new")) == .stored)
            #expect(try await test.outcomes(late.job) == ["lease_lost", "succeeded"])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `tokens are never used twice, not even of jobs that are gone`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            try await test.enqueue(1)
            let worker = try await test.worker()
            let first = try await test.claim(worker)
            _ = try await test.queue.complete(first.attempt, .sample("x"))
            test.clock.advance(seconds: 10)
            _ = try await test.queue.prune(
                Retention(before: Date(milliseconds: test.clock.now)), isDry: false)
            #expect(try await test.queue.show(first.job) == nil)
            try await test.enqueue(1)
            let second = try await test.claim(worker)
            #expect(second.attempt != first.attempt)
            #expect(try await test.queue.complete(first.attempt, .sample("late")) == .leaseLost)
            #expect(try await test.state(second.job) == .running)
        }
    }
}
