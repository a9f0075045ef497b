import Foundation
import Testing

@testable import Jobs

/// Holding, priorities, what status shows of workers, and answers that come back from a journal.
@Suite struct OrderTests {
    private func selection(_ jobs: JobID...) -> JobSelection {
        var selection = JobSelection()
        selection.ids = jobs.map { $0...$0 }
        return selection
    }

    @Test func `held jobs wait until they are let go, at their old time`() async throws {
        let test = try TestQueue()
        let jobs = try await test.enqueue(3)
        let worker = try await test.worker()
        let running = try await test.claim(worker)
        #expect(running.job == jobs[0])
        #expect(try await test.queue.hold(JobSelection()) == 2, "queued ones only")
        #expect(try await test.queue.hold(JobSelection()) == 0)
        #expect(try await test.claims(worker, 1).isEmpty)
        test.clock.advance(seconds: 5)
        #expect(try await test.queue.unhold(selection(jobs[2])) == 1)
        #expect(try await test.state(jobs[2]) == .queued)
        #expect(
            try await test.value("SELECT count(DISTINCT run_at_ms) FROM jobs") == 1)
        #expect(try await test.claim(worker).job == jobs[2])
    }

    @Test func `a priority is set on jobs that wait`() async throws {
        let test = try TestQueue()
        let jobs = try await test.enqueue(4)
        let worker = try await test.worker()
        _ = try await test.claim(worker)
        _ = try await test.queue.hold(selection(jobs[1]))
        #expect(
            try await test.queue.prioritize(selection(jobs[0], jobs[1], jobs[3]), priority: 7) == 2)
        #expect(try await test.claim(worker).job == jobs[3])
        for wrong in [-1001, 1001] {
            let kind = await errorKind {
                _ = try await test.queue.prioritize(JobSelection(), priority: wrong)
            }
            #expect(kind == .invalid)
        }
    }

    @Test func `workers are shown with what they have in hand, the begun one first`() async throws {
        let test = try TestQueue()
        let jobs = try await test.enqueue(2)
        let (busy, idle) = (try await test.worker("cuda:0"), try await test.worker())
        let gone = try await test.worker()
        try await test.queue.unregister(gone, reason: "drained")
        _ = try await test.claim(busy)
        let second = try await test.claim(busy)
        _ = try await test.queue.start(second.attempt)
        let rows = try await test.queue.workers()
        #expect(rows.map(\.workerID) == [busy, idle])
        #expect(rows[0].jobs == [jobs[1], jobs[0]] && rows[1].jobs.isEmpty)
        #expect(rows[0].device == "cuda:0" && rows[0].startedAt.hasPrefix("2023-11-14T22:13:20"))
    }

    @Test func `the log of an attempt is noted`() async throws {
        let test = try TestQueue()
        let job = try await test.enqueue(1)[0]
        let claim = try await test.claim(try await test.worker())
        try await test.queue.noteLog(claim.attempt, path: "/logs/1-1.log")
        #expect(try await test.queue.show(job)?.attempts.first?.logPath == "/logs/1-1.log")
    }

    @Test func `metrics count what stands`() async throws {
        let test = try TestQueue()
        try await test.enqueue(5)
        let worker = try await test.worker()
        _ = try await test.queue.complete(test.claim(worker).attempt, .sample("x"))
        _ = try await test.queue.fail(
            test.claim(worker).attempt, .sample(.input), retryAt: nil)
        _ = try await test.claim(worker)
        test.clock.advance(seconds: 30)
        let metrics = try await test.queue.metrics()
        #expect(
            metrics.jobs == [
                .init(queue: "default", state: .failed, count: 1),
                .init(queue: "default", state: .queued, count: 2),
                .init(queue: "default", state: .running, count: 1),
                .init(queue: "default", state: .succeeded, count: 1),
            ])
        #expect(metrics.attempts == ["succeeded": 1, "failed": 1])
        // 11.5 ms are in the first bucket.
        #expect(metrics.durationBuckets == [1] + [Int](repeating: 0, count: 11))
        #expect(metrics.durationSumSeconds == 0.0115 && metrics.attnFLOPsDense == 4e14)
        #expect(metrics.oldestQueuedSeconds == 30 && metrics.workersUp == 1)
        #expect(metrics.peakDeviceBytes == 5 << 19 && (metrics.logBytes ?? 0) > 0)
        #expect(metrics.lastSuccess == Date(milliseconds: test.clock.now - 30_000))
    }

    // MARK: Readmission

    private func line(_ claim: Claim, _ text: String = "kept") -> JournalledAnswer {
        JournalledAnswer(
            job: claim.job, attempt: claim.attempt, dedupeKey: claim.dedupeKey,
            answer: .sample(text), writtenAtMS: 5)
    }

    @Test func `a journalled answer is stored once, whatever became of its attempt`() async throws {
        let test = try TestQueue()
        let jobs = try await test.enqueue(3) { $0.maxCrashes = 1 }
        let worker = try await test.worker()
        let (lost, released) = (try await test.claim(worker), try await test.claim(worker))
        _ = try await test.queue.release(released.attempt, reason: "stop")
        #expect(try await test.queue.readmit(line(lost)) == .running)
        test.queue.dropLock(worker)
        #expect(try await test.queue.rescue().map(\.fate) == [.quarantined])
        for claim in [lost, released] {
            #expect(try await test.queue.readmit(line(claim)) == .stored)
            #expect(try await test.queue.readmit(line(claim, "other")) == .alreadyAnswered)
            let detail = try #require(try await test.queue.show(claim.job))
            #expect(detail.job.state == .succeeded && detail.answer == .sample("kept"))
            #expect(detail.attempts.map(\.outcome) == ["succeeded"])
        }
        #expect(try await test.state(jobs[2]) == .queued)
        #expect(try await test.findings().isEmpty)
    }

    @Test func `in another queue the job is found by its key`() async throws {
        let first = try TestQueue()
        try await first.enqueue(3)
        let worker = try await first.worker()
        let claims = [
            try await first.claim(worker), try await first.claim(worker),
            try await first.claim(worker),
        ]
        let second = try TestQueue()
        let ids = try await second.queue.enqueue(
            .sample, [.sample(video: 2), .sample(video: 1)]
        ).inserted
        _ = try await second.queue.hold(selection(ids[0]))
        #expect(try await second.queue.readmit(line(claims[2])) == .stored)
        #expect(try await second.state(ids[0]) == .succeeded)
        let attempt = try #require(try await second.queue.show(ids[0])?.attempts.first)
        #expect(attempt.worker == "journal" && attempt.outcome == "succeeded")
        #expect(try await second.queue.readmit(line(claims[0])) == .unknownJob)
        _ = try await second.queue.cancel(selection(ids[1]))
        #expect(claims[1].job == ids[1], "the same job by id and key")
        #expect(try await second.queue.readmit(line(claims[1])) == .cancelled)
        var elsewhere = line(claims[1])
        elsewhere.job = 77
        #expect(
            try await second.queue.readmit(elsewhere) == .unknownJob, "a cancelled key is free")
        #expect(try await second.queue.workers().isEmpty)
        #expect(try await second.findings().isEmpty)
    }
}
