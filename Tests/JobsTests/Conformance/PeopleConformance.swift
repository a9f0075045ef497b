import Foundation
import Testing

@testable import Jobs

@Suite(.serialized) struct PeopleConformance {
    @Test(arguments: BackendUnderTest.all, JobState.allCases)
    func `cancelling ends what waits, asks what runs and leaves what ended`(
        backend: BackendUnderTest, state: JobState
    ) async throws {
        try await backend.run { test in
            let job = try await test.job(in: state)
            let before = try await test.row(job)
            let count = try await test.queue.cancel(.job(job))
            let after = try await test.row(job)
            switch state {
            case .held, .queued:
                #expect(count == 1 && after.state == .cancelled && after.errorClass == .cancelled)
            case .running: #expect(count == 1 && after.state == .running)
            case .succeeded, .failed, .cancelled:
                #expect(count == 0 && after.state == state && after.errorClass == before.errorClass)
            }
            #expect(try await test.queue.cancel(.job(job)) == 0, "asked already")
        }
    }

    @Test(arguments: BackendUnderTest.all, JobState.allCases)
    func `trying again is for what failed or was cancelled`(
        backend: BackendUnderTest, state: JobState
    ) async throws {
        try await backend.run { test in
            let job = try await test.job(in: state)
            let count = try await test.queue.retry(.job(job))
            let row = try await test.row(job)
            if state == .failed || state == .cancelled {
                #expect(count == 1 && row.state == .queued && row.attemptsMade == 0)
                #expect(row.errorClass == nil && row.errorCode == nil && row.errorMessage == nil)
                #expect(row.stage == nil && row.progress == nil)
                #expect(try await test.claim(try await test.worker()).number == 1)
            } else {
                #expect(count == 0 && row.state == state)
            }
        }
    }

    @Test(arguments: BackendUnderTest.all, JobState.allCases)
    func `only queued jobs are held`(backend: BackendUnderTest, state: JobState) async throws {
        try await backend.run { test in
            let job = try await test.job(in: state)
            #expect(try await test.queue.hold(.job(job)) == (state == .queued ? 1 : 0))
            #expect(try await test.state(job) == (state == .queued ? .held : state))
        }
    }

    @Test(arguments: BackendUnderTest.all, JobState.allCases)
    func `only held jobs are let go`(backend: BackendUnderTest, state: JobState) async throws {
        try await backend.run { test in
            let job = try await test.job(in: state)
            #expect(try await test.queue.unhold(.job(job)) == (state == .held ? 1 : 0))
            #expect(try await test.state(job) == (state == .held ? .queued : state))
        }
    }

    @Test(arguments: BackendUnderTest.all, JobState.allCases)
    func `only jobs that wait get another priority`(backend: BackendUnderTest, state: JobState)
        async throws
    {
        try await backend.run { test in
            let job = try await test.job(in: state)
            let before = try await test.row(job).priority
            let isWaiting = state == .held || state == .queued
            #expect(try await test.queue.prioritize(.job(job), priority: -7) == (isWaiting ? 1 : 0))
            #expect(try await test.row(job).priority == (isWaiting ? -7 : before))
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a held job keeps its place and its time`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let runAt = Date(milliseconds: test.clock.now + 5000)
            let ids = try await test.enqueue(3) {
                if $0.video.contentID == "sha256:1" { $0.runAt = runAt }
            }
            #expect(try await test.queue.hold(JobSelection()) == 3)
            let worker = try await test.worker()
            test.clock.advance(seconds: 1)
            #expect(try await test.drain(worker).isEmpty)
            #expect(try await test.status().held == 3)
            #expect(try await test.queue.unhold(JobSelection()) == 3)
            #expect(try await test.drain(worker) == [ids[0], ids[2]])
            test.clock.advance(seconds: 4)
            #expect(try await test.drain(worker) == [ids[1]])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a failed attempt's wait survives holding`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let worker = try await test.worker()
            let claim = try await test.claim(worker)
            _ = try await test.queue.fail(claim.attempt, .sample(.internal), retryAt: test.soon)
            _ = try await test.queue.hold(.job(job))
            _ = try await test.queue.unhold(.job(job))
            #expect(try await test.drain(worker).isEmpty)
            test.clock.advance(seconds: 1)
            #expect(try await test.claim(worker).number == 2)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a new priority changes the order of claims`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let ids = try await test.enqueue(4)
            #expect(try await test.queue.prioritize(.job(ids[2]), priority: 1000) == 1)
            #expect(try await test.queue.prioritize(.job(ids[0]), priority: -1000) == 1)
            let order = try await test.drain(try await test.worker())
            #expect(order == [ids[2], ids[1], ids[3], ids[0]])
        }
    }

    @Test(arguments: BackendUnderTest.all, [1001, -1001, Int.max, Int.min])
    func `a priority beyond a thousand is refused`(backend: BackendUnderTest, priority: Int)
        async throws
    {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let kind = await errorKind {
                _ = try await test.queue.prioritize(.job(job), priority: priority)
            }
            #expect(kind == .invalid)
            #expect(try await test.row(job).priority == 0)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `pausing makes the queue and leaves what runs`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            try await test.enqueue(2)
            let claim = try await test.claim(try await test.worker())
            try await test.queue.pause(queue: "default")
            try await test.queue.pause(queue: "tomorrow")
            #expect(
                try await test.queue.queues() == [
                    QueueRow(queue: "default", isPaused: true, queued: 1, running: 1),
                    QueueRow(queue: "tomorrow", isPaused: true, queued: 0, running: 0),
                ])
            #expect(try await test.queue.complete(claim.attempt, .sample("x")) == .stored)
            try await test.enqueue([.sample(video: 9)].map(tomorrow))
            #expect(try await test.drain(try await test.worker()).isEmpty, "it was paused before")
            try await test.queue.resume(queue: "tomorrow")
            try await test.queue.resume(queue: "tomorrow")
            #expect(try await test.drain(try await test.worker()).count == 1)
            #expect(try await test.queue.queues().map(\.isPaused) == [true, false])
        }
    }

    private func tomorrow(_ job: NewJob) -> NewJob {
        var job = job
        job.queue = "tomorrow"
        return job
    }

    @Test(arguments: BackendUnderTest.all)
    func `a queue without a name, and one that is not there, are refused`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            #expect(await errorKind { try await test.queue.pause(queue: "") } == .invalid)
            #expect(await errorKind { try await test.queue.resume(queue: "nope") } == .invalid)
            let rows = try await test.queue.queues()
            #expect(rows.map(\.queue) == ["default"])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `of two cancelled twins one is tried again, the last`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            let first = try await test.enqueue(1)[0]
            _ = try await test.queue.cancel(JobSelection())
            let second = try await test.enqueue(1)[0]
            _ = try await test.queue.cancel(JobSelection())
            #expect(try await test.queue.retry(JobSelection()) == 1)
            #expect(try await test.states([first, second]) == [.cancelled, .queued])
            #expect(
                try await test.queue.retry(.job(first)) == 0, "its question is queued already")
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `files that are no videos are tried again only by their own id`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            var bad = NewJob.sample(video: 1)
            bad.video.contentID = "bad:/videos/1.mp4:0:5"
            bad.failure = .sample(.input)
            let job = try await test.enqueue([bad])[0]
            #expect(try await test.queue.retry(JobSelection()) == 0)
            #expect(try await test.queue.retry(.with { $0.ids = [1...job + 5] }) == 0)
            #expect(try await test.queue.retry(.job(job)) == 1)
            #expect(try await test.state(job) == .queued)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `the parts of a selection are joined by and`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let jobs = try await test.enqueue(4) { $0.customID = "c\($0.video.contentID)" }
            var other = NewJob.sample(video: 9)
            other.config.fingerprint = "f9"
            other.config.modelSHA256 = "m9"
            _ = try await test.queue.enqueue(
                BatchSpec(name: "day", source: "-", specJSON: "{}"), [other])
            let worker = try await test.worker()
            let claim = try await test.claim(worker)
            let failed = try await test.claim(worker)
            _ = try await test.queue.fail(failed.attempt, .sample(.timeout), retryAt: nil)
            func found(_ change: (inout JobSelection) -> Void) async throws -> [JobID] {
                try await test.queue.list(.with(change), limit: 100).map(\.jobID)
            }
            #expect(try await found { _ in }.count == 5)
            #expect(try await found { $0.batch = "night" } == jobs)
            #expect(
                try await found { $0.ids = [jobs[3]...jobs[3], jobs[0]...jobs[1], 900...901] }
                    == [jobs[0], jobs[1], jobs[3]])
            #expect(try await found { $0.ids = [900...999] }.isEmpty)
            #expect(try await found { $0.states = [.running] } == [claim.job])
            #expect(try await found { $0.states = [.running, .failed] }.count == 2)
            #expect(try await found { $0.errorClasses = [.timeout] } == [failed.job])
            #expect(try await found { $0.errorClasses = [.crash, .timeout] } == [failed.job])
            #expect(try await found { $0.errorClasses = [.crash, .input] }.isEmpty)
            let now = Date(milliseconds: test.clock.now)
            #expect(try await found { $0.endedSince = now } == [failed.job])
            #expect(try await found { $0.endedSince = now + 1 }.isEmpty)
            #expect(try await found { $0.modelSHA256 = "m1" } == jobs)
            #expect(try await found { $0.modelSHA256 = "m2" }.isEmpty)
            #expect(try await found { $0.customID = "csha256:3" } == [jobs[3]])
            #expect(
                try await found {
                    $0.ids = [jobs[0]...jobs[2]]
                    $0.states = [.queued, .failed]
                    $0.batch = "night"
                    $0.modelSHA256 = "m1"
                } == [jobs[1], jobs[2]])
            #expect(
                try await found {
                    $0.batch = "day"
                    $0.modelSHA256 = "m1"
                }.isEmpty)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `every verb keeps to its selection`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let ids = try await test.enqueue(4)
            let some = JobSelection.jobs([ids[1], ids[2]])
            #expect(try await test.queue.hold(some) == 2)
            #expect(try await test.states(ids) == [.queued, .held, .held, .queued])
            #expect(try await test.queue.prioritize(some, priority: 3) == 2)
            var priorities: [Int] = []
            for id in ids { priorities.append(try await test.row(id).priority) }
            #expect(priorities == [0, 3, 3, 0])
            #expect(try await test.queue.unhold(.job(ids[1])) == 1)
            #expect(try await test.queue.cancel(some) == 2)
            #expect(try await test.states(ids) == [.queued, .cancelled, .cancelled, .queued])
            #expect(try await test.queue.retry(.job(ids[2])) == 1)
            #expect(try await test.states(ids) == [.queued, .cancelled, .queued, .queued])
            #expect(try await test.queue.cancel(.with { $0.batch = "another" }) == 0)
            #expect(try await test.queue.hold(.with { $0.states = [.held] }) == 0)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `what remains is what may still run`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            for (index, state) in JobState.allCases.enumerated() {
                _ = try await test.job(in: state, video: index)
            }
            #expect(try await test.queue.remaining(JobSelection()) == 2)
            #expect(try await test.queue.remaining(.with { $0.states = [.running] }) == 1)
            #expect(try await test.queue.remaining(.with { $0.states = [.held] }) == 0)
            #expect(try await test.queue.remaining(.with { $0.batch = "day" }) == 0)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `lists go by id and end at their limit`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let ids = try await test.enqueue(5) { $0.priority = Int($0.video.path.utf8.count) % 3 }
            #expect(
                try await test.queue.list(JobSelection(), limit: 3).map(\.jobID) == Array(ids[..<3])
            )
            #expect(try await test.queue.list(JobSelection(), limit: 0).isEmpty)
            #expect(try await test.queue.list(JobSelection(), limit: 100).map(\.jobID) == ids)
            #expect(try await test.queue.show(ids[4] + 1000) == nil)
        }
    }
}
