import Foundation
import GRDB
import Glibc
import Synchronization
import Testing

@testable import Jobs

@Suite struct ClaimTests {
    @Test func `claims go by priority, then time, then id`() async throws {
        let test = try TestQueue()
        let now = test.clock.now
        var jobs = (0..<5).map { NewJob.sample(video: $0) }
        jobs[1].priority = 5
        jobs[2].runAt = Date(milliseconds: now - 1000)
        jobs[3].runAt = Date(milliseconds: now + 1000)
        jobs[4].priority = -1
        let ids = try await test.queue.enqueue(.sample, jobs).inserted
        let worker = try await test.worker()
        var order: [JobID] = []
        while let claim = try await test.queue.claim(
            worker, filter: ClaimFilter(), lease: .seconds(60))
        {
            order.append(claim.job)
        }
        #expect(order == [ids[1], ids[2], ids[0], ids[4]], "the one of later waits its time")
        test.clock.advance(seconds: 2)
        #expect(try await test.claim(worker).job == ids[3])
    }

    @Test func `a claim tells all that a worker needs`() async throws {
        let test = try TestQueue()
        let ids = try await test.enqueue(1) {
            $0.choices = ["one", "two"]
            $0.expected = "two"
            $0.timeout = .milliseconds(1500)
            $0.maxAttempts = 7
            $0.video.codec = "h264"
            $0.video.framesPerSecond = 29.97
        }
        let claim = try await test.claim(try await test.worker())
        #expect(claim.job == ids[0] && claim.number == 1 && claim.maxAttempts == 7)
        #expect(claim.batch == "night" && claim.question == "How many cars?")
        #expect(claim.choices == ["one", "two"] && claim.expected == "two")
        #expect(claim.timeout == .milliseconds(1500))
        #expect(claim.model == "embedded" && claim.modelSHA256 == "m1")
        #expect(claim.optionsJSON == ConfigRecord.sample.optionsJSON)
        #expect(claim.video.codec == "h264" && claim.video.framesPerSecond == 29.97)
        #expect(claim.video.contentID == "sha256:0")
        #expect(claim.leaseUntil == Date(milliseconds: test.clock.now + 60_000))
    }

    @Test func `a worker claims jobs of its model only`() async throws {
        let test = try TestQueue()
        try await test.enqueue(1)
        let worker = try await test.worker()
        let other = ClaimFilter(modelSHA256: "m2")
        #expect(try await test.queue.claim(worker, filter: other, lease: .seconds(9)) == nil)
        let mine = ClaimFilter(modelSHA256: "m1")
        #expect(try await test.queue.claim(worker, filter: mine, lease: .seconds(9)) != nil)
    }

    @Test func `held jobs, paused queues and full queues give nothing`() async throws {
        let test = try TestQueue()
        let worker = try await test.worker()
        func claimed() async throws -> Bool {
            try await test.queue.claim(worker, filter: ClaimFilter(), lease: .seconds(9)) != nil
        }
        try await test.enqueue(1) { $0.held = true }
        #expect(try await !claimed())
        try await test.enqueue(3) { $0.question = "And now?" }
        try await test.execute("UPDATE queues SET paused_at_ms = 1")
        #expect(try await !claimed())
        try await test.execute("UPDATE queues SET paused_at_ms = NULL, max_running = 1")
        #expect(try await claimed())
        #expect(try await !claimed(), "one runs, and one may")
        try await test.execute("UPDATE queues SET max_running = 2")
        #expect(try await claimed())
    }

    @Test func `many claimers on two connections to the file get each job once`() async throws {
        let test = try TestQueue()
        let jobs = try await test.enqueue(60)
        let second = try test.another()
        let claimed = try await withThrowingTaskGroup(of: [Claim].self) { group in
            for index in 0..<12 {
                let queue = index.isMultiple(of: 2) ? test.queue : second
                group.addTask {
                    let worker = try await queue.register(.current(device: "cpu", version: "test"))
                    var claims: [Claim] = []
                    while let claim = try await queue.claim(
                        worker, filter: ClaimFilter(), lease: .seconds(60))
                    {
                        claims.append(claim)
                    }
                    return claims
                }
            }
            return try await group.reduce(into: [Claim]()) { $0 += $1 }
        }
        #expect(claimed.map(\.job).sorted() == jobs)
        #expect(Set(claimed.map(\.attempt)).count == jobs.count)
    }

    @Test func `a heartbeat prolongs the lease and tells of progress`() async throws {
        let test = try TestQueue()
        try await test.enqueue(1)
        let claim = try await test.claim(try await test.worker())
        test.clock.advance(seconds: 50)
        let reply = try await test.beat(
            claim, progress: 0.5, stage: "prefill")
        #expect(reply == .ok(leaseUntil: Date(milliseconds: test.clock.now + 60_000)))
        let row = try #require(try await test.queue.list(JobSelection(), limit: 1).first)
        #expect(row.progress == 0.5 && row.stage == "prefill" && row.state == .running)

        _ = try await test.beat(
            claim, progress: nil, stage: nil)
        let same = try #require(try await test.queue.list(JobSelection(), limit: 1).first)
        #expect(same.progress == 0.5 && same.stage == "prefill", "nothing new to tell")
        for progress in [7, -1, Double.nan] {
            let reply = try await test.beat(
                claim, progress: progress, stage: nil)
            #expect(reply != .lost, "a wrong progress is not worth a job")
        }
    }

    @Test func `a heartbeat passes while a long write of its own process goes on`() async throws {
        let test = try TestQueue()
        try await test.enqueue(1)
        let claim = try await test.claim(try await test.worker())
        // The pool's writer is taken up by something that holds no write lock, until the heartbeat
        // is through or ten seconds are over.
        let isThrough = Atomic(false)
        let deadline = ContinuousClock.now + .seconds(10)
        async let wasInTime = test.queue.connections.pool.writeWithoutTransaction { _ in
            while !isThrough.load(ordering: .acquiring) && ContinuousClock.now < deadline {
                usleep(1000)
            }
            return isThrough.load(ordering: .acquiring)
        }
        try await Task.sleep(for: .milliseconds(100))
        _ = try await test.beat(
            claim, progress: nil, stage: nil)
        isThrough.store(true, ordering: .releasing)
        #expect(try await wasInTime)
    }
}
