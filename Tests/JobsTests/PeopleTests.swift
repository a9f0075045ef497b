import Foundation
import Testing

@testable import Jobs

@Suite struct PeopleTests {
    private func selection(_ change: (inout JobSelection) -> Void) -> JobSelection {
        var selection = JobSelection()
        change(&selection)
        return selection
    }

    @Test func `a queued job is cancelled at once and may be enqueued anew`() async throws {
        let test = try TestQueue()
        let jobs = try await test.enqueue(2)
        let count = try await test.queue.cancel(selection { $0.ids = [jobs[0]...jobs[0]] })
        #expect(count == 1)
        #expect(try await test.state(jobs[0]) == .cancelled)
        #expect(try await test.state(jobs[1]) == .queued)
        #expect(try await test.claim(try await test.worker()).job == jobs[1])

        let again = try await test.queue.enqueue(.sample, [.sample(video: 0)])
        #expect(again.inserted.count == 1)
        #expect(
            try await test.queue.retry(selection { $0.states = [.cancelled] }) == 0,
            "its question is queued again already")
    }

    @Test func `of two cancelled twins one is tried again`() async throws {
        let test = try TestQueue()
        let first = try await test.enqueue(1)[0]
        _ = try await test.queue.cancel(JobSelection())
        let second = try await test.enqueue(1)[0]
        _ = try await test.queue.cancel(JobSelection())
        #expect(try await test.queue.retry(JobSelection()) == 1)
        #expect(try await test.state(first) == .cancelled)
        #expect(try await test.state(second) == .queued)
    }

    @Test func `a running job is asked to stop and then is cancelled`() async throws {
        let test = try TestQueue()
        let job = try await test.enqueue(1)[0]
        let claim = try await test.claim(try await test.worker())
        #expect(try await test.queue.cancel(JobSelection()) == 1)
        #expect(try await test.queue.cancel(JobSelection()) == 0, "asked already")
        #expect(try await test.state(job) == .running)
        let reply = try await test.beat(
            claim, progress: nil, stage: nil)
        #expect(reply == .cancelRequested)
        let soon = Date(milliseconds: test.clock.now)
        _ = try await test.queue.fail(claim.attempt, .sample(.cancelled), retryAt: soon)
        #expect(try await test.state(job) == .cancelled)
        #expect(try await test.queue.show(job)?.attempts.map(\.outcome) == ["cancelled"])
    }

    @Test func `a cancelled job does not come back by release, failure or rescue`() async throws {
        let test = try TestQueue()
        let jobs = try await test.enqueue(3)
        let worker = try await test.worker()
        let claims = [
            try await test.claim(worker), try await test.claim(worker),
            try await test.claim(try await test.worker()),
        ]
        _ = try await test.queue.cancel(JobSelection())
        let soon = Date(milliseconds: test.clock.now)
        _ = try await test.queue.release(claims[0].attempt, reason: "stop")
        _ = try await test.queue.fail(claims[1].attempt, .sample(.internal), retryAt: soon)
        test.queue.dropLock(worker + 1)
        #expect(try await test.queue.rescue().map(\.fate) == [.cancelled])
        for job in jobs { #expect(try await test.state(job) == .cancelled) }
    }

    @Test func `an answer that was ready before the request was heard is kept`() async throws {
        let test = try TestQueue()
        let job = try await test.enqueue(1)[0]
        let claim = try await test.claim(try await test.worker())
        _ = try await test.queue.cancel(JobSelection())
        #expect(try await test.queue.complete(claim.attempt, .sample("done")) == .stored)
        #expect(try await test.state(job) == .succeeded)
    }

    @Test func `a failed job that is tried again begins anew`() async throws {
        let test = try TestQueue()
        let job = try await test.enqueue(1) { $0.maxAttempts = 1 }[0]
        let worker = try await test.worker()
        let claim = try await test.claim(worker)
        _ = try await test.queue.fail(claim.attempt, .sample(.internal), retryAt: nil)
        #expect(try await test.queue.retry(selection { $0.errorClasses = [.timeout] }) == 0)
        #expect(try await test.queue.retry(selection { $0.errorClasses = [.internal] }) == 1)
        let row = try #require(try await test.queue.show(job)?.job)
        #expect(row.state == .queued && row.attemptsMade == 0)
        #expect(row.errorClass == nil && row.errorMessage == nil)
        let second = try await test.claim(worker)
        #expect(second.number == 1)
        _ = try await test.queue.complete(second.attempt, .sample("now"))
        #expect(try await test.queue.retry(JobSelection()) == 0, "answered jobs stay answered")
    }

    @Test func `files that are no videos are tried again only by their own id`() async throws {
        let test = try TestQueue()
        var bad = NewJob.sample(video: 1)
        bad.video.contentID = "bad:/videos/1.mp4:0:5"
        bad.failure = .sample(.input)
        let job = try await test.queue.enqueue(.sample, [bad]).rejected[0]
        #expect(try await test.queue.retry(JobSelection()) == 0)
        #expect(try await test.queue.retry(selection { $0.ids = [1...job + 5] }) == 0)
        #expect(try await test.queue.retry(selection { $0.ids = [job...job] }) == 1)
        #expect(try await test.state(job) == .queued)
    }

    @Test func `a selection joins its parts by and`() async throws {
        let test = try TestQueue()
        let jobs = try await test.enqueue(4) { $0.customID = "c\($0.video.contentID)" }
        _ = try await test.queue.enqueue(
            BatchSpec(name: "day", source: "-", specJSON: "{}"), [.sample(video: 9)])
        let claim = try await test.claim(try await test.worker())
        func found(_ change: (inout JobSelection) -> Void) async throws -> [JobID] {
            try await test.queue.list(selection(change), limit: 100).map(\.jobID)
        }
        #expect(try await found { _ in }.count == 5)
        #expect(try await found { $0.batch = "night" } == jobs)
        #expect(try await found { $0.ids = [jobs[1]...jobs[2], 900...901] } == [jobs[1], jobs[2]])
        #expect(try await found { $0.states = [.running] } == [claim.job])
        #expect(try await found { $0.modelSHA256 = "m1" }.count == 5)
        #expect(try await found { $0.modelSHA256 = "m2" }.isEmpty)
        #expect(try await found { $0.customID = "csha256:3" } == [jobs[3]])
        #expect(
            try await found {
                $0.ids = [jobs[0]...jobs[1]]
                $0.states = [.queued, .failed]
                $0.batch = "night"
            } == [jobs[1]])
        #expect(try await found { $0.batch = "' OR 1 --" }.isEmpty)
        #expect(try await test.queue.list(JobSelection(), limit: 2).count == 2)
        #expect(try await test.queue.remaining(selection { $0.batch = "night" }) == 4)
        #expect(try await test.queue.status(batch: nil).map(\.batch) == ["night", "day"])
        #expect(try await test.queue.show(12345) == nil)
    }
}
