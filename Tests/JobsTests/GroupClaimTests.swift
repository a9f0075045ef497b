import Foundation
import Testing

@testable import Jobs

/// Several jobs of one video in one claim.
@Suite struct GroupClaimTests {
    /// Questions 0 ..< count about one video, with what `change` does to each.
    private func ask(
        _ test: TestQueue, _ count: Int, video: Int = 0, _ change: (Int, inout NewJob) -> Void
    ) async throws -> [JobID] {
        let jobs = (0..<count).map { index in
            var job = NewJob.sample(video: video, question: "Question \(index)?")
            change(index, &job)
            return job
        }
        return try await test.queue.enqueue(.sample, jobs).inserted
    }

    @Test func `the head brings further questions of its video in the order of claims`()
        async throws
    {
        let test = try TestQueue()
        let ids = try await ask(test, 5) { index, job in
            job.priority = [0, 9, 3, 3, -5][index]
            if index == 2 { job.runAt = Date(milliseconds: test.clock.now - 1) }
        }
        let other = try await ask(test, 1, video: 1) { $1.priority = 5 }
        let worker = try await test.worker()
        let claims = try await test.claims(worker, 4)
        #expect(claims.map(\.job) == [ids[1], ids[2], ids[3], ids[0]])
        #expect(Set(claims.map(\.attempt)).count == 4)
        #expect(claims.allSatisfy { $0.number == 1 && $0.video.contentID == "sha256:0" })
        #expect(Set(claims.map(\.dedupeKey)).count == 4 && claims[0].queue == "default")
        #expect(try await test.claims(worker, 4).map(\.job) == other)
        #expect(try await test.claims(worker, 4).map(\.job) == [ids[4]])
        #expect(try await test.claims(worker, 4).isEmpty)
        #expect(try await test.claims(worker, 0).isEmpty)
    }

    @Test func `jobs of another config or queue, of later, held or crashed before stay behind`()
        async throws
    {
        let test = try TestQueue()
        let ids = try await ask(test, 7) { index, job in
            switch index {
            case 1:
                job.config.fingerprint = "f2"
                job.config.optionsJSON = "{}"
            case 2: job.queue = "other"
            case 3: job.runAt = Date(milliseconds: test.clock.now + 1000)
            case 4: job.held = true
            default: break
            }
        }
        try await test.execute("UPDATE jobs SET crashes = 1 WHERE job_id = \(ids[5])")
        let worker = try await test.worker()
        #expect(try await test.claims(worker, 9).map(\.job) == [ids[0], ids[6]])
        #expect(try await test.claims(worker, 9).map(\.job) == [ids[1]])
    }

    @Test func `a job that crashed a worker is claimed alone`() async throws {
        let test = try TestQueue()
        let ids = try await ask(test, 3) { _, _ in }
        try await test.execute("UPDATE jobs SET crashes = 1 WHERE job_id = \(ids[0])")
        let worker = try await test.worker()
        let first = try await test.claims(worker, 9)
        #expect(first.map(\.job) == [ids[0]] && first[0].crashes == 1)
        #expect(try await test.claims(worker, 9).map(\.job) == [ids[1], ids[2]])
    }

    @Test func `queues are taken by name, one order over all of them`() async throws {
        let test = try TestQueue()
        let ids = try await test.queue.enqueue(
            .sample,
            (0..<6).map { index in
                var job = NewJob.sample(video: index)
                job.queue = ["a", "b", "c"][index % 3]
                job.priority = index
                return job
            }
        ).inserted
        let worker = try await test.worker()
        let some = ClaimFilter(queues: ["a", "c", "nothing"])
        var order: [JobID] = []
        while let claim = try await test.claims(worker, 1, filter: some).first {
            order.append(claim.job)
        }
        #expect(order == [ids[5], ids[3], ids[2], ids[0]])
        #expect(try await test.claims(worker, 1).map(\.job) == [ids[4]])
        #expect(try await test.queue.queues().map(\.queue) == ["a", "b", "c", "default"])
    }

    @Test func `a queue that may run so many jobs gives no more, in groups neither`() async throws {
        let test = try TestQueue()
        let ids = try await ask(test, 5) { _, _ in }
        try await test.execute("UPDATE queues SET max_running = 3")
        let worker = try await test.worker()
        let first = try await test.claims(worker, 2)
        #expect(try await test.claims(worker, 9).map(\.job) == [ids[2]])
        #expect(try await test.claims(worker, 9).isEmpty)
        _ = try await test.queue.complete(first[0].attempt, .sample("x"))
        #expect(try await test.claims(worker, 9).map(\.job) == [ids[3]])
    }

    @Test func `a paused queue gives nothing until it is resumed`() async throws {
        let test = try TestQueue()
        try await test.enqueue(2)
        let worker = try await test.worker()
        let running = try await test.claim(worker)
        try await test.queue.pause(queue: "default")
        try await test.queue.pause(queue: "new")
        #expect(try await test.claims(worker, 1).isEmpty)
        #expect(try await test.queue.complete(running.attempt, .sample("x")) == .stored)
        #expect(
            try await test.queue.queues() == [
                QueueRow(queue: "default", isPaused: true, queued: 1, running: 0),
                QueueRow(queue: "new", isPaused: true, queued: 0, running: 0),
            ])
        try await test.queue.resume(queue: "default")
        #expect(try await test.claims(worker, 1).count == 1)
        #expect(await errorKind { try await test.queue.resume(queue: "nothing") } == .invalid)
    }

    @Test func `jobs of other models and of later do not stand in the way`() async throws {
        let test = try TestQueue()
        var jobs = (0..<40).map { NewJob.sample(video: $0) }
        for index in 0..<20 {
            jobs[index].priority = 100 - index
            jobs[index].config = ConfigRecord(
                fingerprint: "other\(index)", model: "other", modelSHA256: "m2", optionsJSON: "{}")
        }
        for index in 20..<39 {
            jobs[index].priority = 50
            jobs[index].runAt = Date(milliseconds: test.clock.now + 1)
        }
        let ids = try await test.queue.enqueue(.sample, jobs).inserted
        let worker = try await test.worker()
        let mine = ClaimFilter(modelSHA256: "m1")
        #expect(try await test.claims(worker, 1, filter: mine).map(\.job) == [ids[39]])
        test.clock.advance(seconds: 1)
        #expect(try await test.claims(worker, 1, filter: mine).map(\.job) == [ids[20]])
        let other = ClaimFilter(modelSHA256: "m2")
        #expect(try await test.claims(worker, 1, filter: other).map(\.job) == [ids[0]])
        #expect(try await test.claims(worker, 1).map(\.job) == [ids[1]])
    }

    @Test func `one heartbeat tells of each attempt`() async throws {
        let test = try TestQueue()
        try await test.enqueue(3)
        let worker = try await test.worker()
        let claims = [
            try await test.claim(worker), try await test.claim(worker),
            try await test.claim(worker),
        ]
        var selection = JobSelection()
        selection.ids = [claims[1].job...claims[1].job]
        _ = try await test.queue.cancel(selection)
        _ = try await test.queue.release(claims[2].attempt, reason: "stop")
        test.clock.advance(seconds: 5)
        let replies = try await test.queue.heartbeat(
            worker, claims.map { LiveAttempt($0.attempt) } + [LiveAttempt(99)], lease: .seconds(60))
        let until = Date(milliseconds: test.clock.now + 60_000)
        #expect(
            replies == [
                claims[0].attempt: .ok(leaseUntil: until), claims[1].attempt: .cancelRequested,
                claims[2].attempt: .lost, 99: .lost,
            ])
        test.clock.advance(seconds: 5)
        #expect(try await test.queue.heartbeat(worker, [], lease: .seconds(60)).isEmpty)
        #expect(
            try await test.value("SELECT last_seen_at_ms FROM workers") == test.clock.now)
    }

    @Test func `waiting ends when there is a new job, and at its limit`() async throws {
        let test = try TestQueue()
        let start = ContinuousClock.now
        try await test.queue.waitForWork(upTo: .milliseconds(300))
        #expect(ContinuousClock.now - start >= .milliseconds(300))
        let other = try test.another()
        async let wait: Void = test.queue.waitForWork(upTo: .seconds(1800))
        try await Task.sleep(for: .milliseconds(300))
        _ = try await other.enqueue(.sample, [.sample(video: 1)])
        try await wait
        // Whatever else keeps the machine busy, long before the limit.
        #expect(ContinuousClock.now - start < .seconds(1200))
    }
}
