import Foundation
import Testing

@testable import Jobs

@Suite(.serialized) struct HeartbeatConformance {
    @Test(arguments: BackendUnderTest.all)
    func `an attempt begins once and may say so again`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let claim = try await test.claim(try await test.worker())
            test.clock.advance(seconds: 2)
            #expect(try await test.queue.start(claim.attempt))
            test.clock.advance(seconds: 2)
            #expect(try await test.queue.start(claim.attempt))
            let attempt = try #require(try await test.queue.show(job)?.attempts.first)
            #expect(attempt.startedAt == "2023-11-14T22:13:20.000Z")
            #expect(attempt.begunAt == "2023-11-14T22:13:22.000Z")
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `an attempt that ended or never was cannot begin`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            try await test.enqueue(2)
            let worker = try await test.worker()
            let first = try await test.claim(worker)
            _ = try await test.queue.complete(first.attempt, .sample("x"))
            #expect(try await test.queue.start(first.attempt) == false)
            let second = try await test.claim(worker)
            _ = try await test.queue.release(second.attempt, reason: "stop")
            #expect(try await test.queue.start(second.attempt) == false)
            #expect(try await test.queue.start(424_242) == false)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a heartbeat prolongs the lease`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let worker = try await test.farWorker()
            let claim = try await test.claim(worker)
            test.clock.advance(seconds: 50)
            let until = Date(milliseconds: test.clock.now + 60_000)
            let reply = try await test.beat(worker, LiveAttempt(claim.attempt))
            #expect(reply == [claim.attempt: .ok(leaseUntil: until)])
            test.clock.advance(seconds: 59)
            #expect(try await test.queue.rescue().isEmpty, "it would have run out long ago")
            #expect(try await test.state(job) == .running)
            test.clock.advance(seconds: 2)
            #expect(try await test.queue.rescue().map(\.attempt) == [claim.attempt])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a lease that ran out and was not taken back can be prolonged`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            try await test.enqueue(1)
            let worker = try await test.farWorker()
            let claim = try await test.claim(worker)
            test.clock.advance(seconds: 300)
            #expect(try await test.status().orphaned == 1)
            #expect(try await test.beat(worker, LiveAttempt(claim.attempt)).values.first != .lost)
            #expect(try await test.queue.rescue().isEmpty)
            #expect(try await test.status().running == 1)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a heartbeat tells of progress, and leaves what it does not tell`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let worker = try await test.worker()
            let claim = try await test.claim(worker)
            try await test.beat(
                worker, LiveAttempt(claim.attempt, progress: 0.5, stage: "prefill"))
            var row = try await test.row(job)
            #expect(row.progress == 0.5 && row.stage == "prefill" && row.state == .running)
            try await test.beat(worker, LiveAttempt(claim.attempt))
            row = try await test.row(job)
            #expect(row.progress == 0.5 && row.stage == "prefill")
            try await test.beat(worker, LiveAttempt(claim.attempt, stage: "write"))
            row = try await test.row(job)
            #expect(row.progress == 0.5 && row.stage == "write")
        }
    }

    @Test(arguments: BackendUnderTest.all, [(7.0, 1.0), (-1, 0), (.nan, 0), (.infinity, 0)])
    func `a wrong progress is not worth a job`(
        backend: BackendUnderTest, progress: (told: Double, kept: Double)
    ) async throws {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let worker = try await test.worker()
            let claim = try await test.claim(worker)
            let live = LiveAttempt(claim.attempt, progress: progress.told)
            #expect(try await test.beat(worker, live)[claim.attempt] != .lost)
            #expect(try await test.row(job).progress == progress.kept)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `each attempt of a heartbeat gets its own reply`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let jobs = try await test.enqueueGroup(3)
            let worker = try await test.worker()
            let attempts = try await test.claims(worker).map(\.attempt)
            _ = try await test.queue.cancel(.job(jobs[1]))
            try #require(attempts.count == 3)
            _ = try await test.queue.complete(attempts[2], .sample("done"))
            let replies = try await test.queue.heartbeat(
                worker, (attempts + [555_555]).map { LiveAttempt($0) }, lease: .seconds(30))
            let until = Date(milliseconds: test.clock.now + 30_000)
            #expect(
                replies == [
                    attempts[0]: .ok(leaseUntil: until), attempts[1]: .cancelRequested,
                    attempts[2]: .lost, 555_555: .lost,
                ])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a job to be cancelled keeps its lease until its worker has stopped`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let worker = try await test.farWorker()
            let claim = try await test.claim(worker)
            _ = try await test.queue.cancel(.job(job))
            for _ in 0..<3 {
                test.clock.advance(seconds: 50)
                let live = LiveAttempt(claim.attempt)
                #expect(try await test.beat(worker, live) == [claim.attempt: .cancelRequested])
                #expect(try await test.queue.rescue().isEmpty)
            }
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `an idle worker's heartbeat shows that it lives`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let worker = try await test.worker()
            test.clock.advance(seconds: 15)
            #expect(try await test.beat(worker).isEmpty)
            let row = try #require(try await test.queue.workers().first)
            #expect(row.startedAt == "2023-11-14T22:13:20.000Z")
            #expect(row.lastSeenAt == "2023-11-14T22:13:35.000Z")
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `progress of an attempt that was given back is forgotten`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let worker = try await test.worker()
            let claim = try await test.claim(worker)
            try await test.beat(worker, LiveAttempt(claim.attempt, progress: 0.9, stage: "write"))
            _ = try await test.queue.release(claim.attempt, reason: "stop")
            let row = try await test.row(job)
            #expect(row.progress == nil && row.stage == nil)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `workers are listed with what they have in hand, the begun first`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            let jobs = try await test.enqueueGroup(3)
            let first = try await test.farWorker()
            let second = try await test.worker()
            let claims = try await test.claims(first)
            try #require(claims.count == 3)
            _ = try await test.queue.start(claims[2].attempt)
            var rows = try await test.queue.workers()
            try #require(rows.map(\.workerID) == [first, second])
            #expect(rows[0].jobs == [jobs[2], jobs[0], jobs[1]] && rows[1].jobs.isEmpty)
            #expect(rows[0].host == "elsewhere" && rows[0].device == "cuda:0" && rows[0].pid == 1)
            #expect(rows[0].version == "test" && rows[0].name != rows[1].name)
            _ = try await test.queue.complete(claims[2].attempt, .sample("x"))
            try await test.queue.unregister(second, reason: "drained")
            rows = try await test.queue.workers()
            #expect(rows.map(\.workerID) == [first])
            #expect(rows.first?.jobs == [jobs[0], jobs[1]])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `the path of a log stands with its attempt`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let claim = try await test.claim(try await test.worker())
            try await test.queue.noteLog(claim.attempt, path: "/q.db.logs/1-1.log")
            try await test.queue.noteLog(31_337, path: "/nowhere")
            _ = try await test.queue.complete(claim.attempt, .sample("x"))
            let attempts = try #require(try await test.queue.show(job)).attempts
            #expect(attempts.map(\.logPath) == ["/q.db.logs/1-1.log"])
        }
    }
}
