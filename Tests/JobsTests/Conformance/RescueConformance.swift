import Foundation
import Testing

@testable import Jobs

@Suite(.serialized) struct RescueConformance {
    @Test(arguments: BackendUnderTest.all)
    func `a living worker of this host keeps its job whatever the clock says`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            try await test.enqueue(1)
            let claim = try await test.claim(try await test.worker())
            guard test.seesLives else {
                print("\(backend.rawValue): workers of this host are known by their leases only")
                return
            }
            test.clock.advance(seconds: 1_000_000)
            #expect(try await test.another().rescue().isEmpty)
            #expect(try await test.queue.complete(claim.attempt, .sample("slow")) == .stored)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a dead worker's job is taken back and may be claimed at once`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let worker = try await test.worker()
            let claim = try await test.claim(worker)
            #expect(try await test.another().rescue().isEmpty)
            try await test.kill(worker)
            let rescued = try await test.another().rescue()
            #expect(rescued.map(\.attempt) == [claim.attempt] && rescued.map(\.job) == [job])
            #expect(rescued.map(\.fate) == [.requeued])
            let row = try await test.row(job)
            #expect(row.state == .queued && row.attemptsMade == 0 && row.errorClass == nil)
            let attempt = try #require(try await test.queue.show(job)?.attempts.first)
            #expect(attempt.outcome == "crashed" && attempt.errorClass == .crash)
            #expect(attempt.errorCode == "worker_died" && attempt.endedAt != nil)
            #expect(try await test.queue.rescue().isEmpty)
            let next = try await test.claim(try await test.worker())
            #expect(next.job == job && next.crashes == 1 && next.number == 1)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `of a worker elsewhere the lease tells, to the millisecond`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            try await test.enqueue(1)
            let worker = try await test.farWorker()
            let claim = try await test.claim(worker)
            try await test.endLife(worker)
            #expect(try await test.queue.rescue().isEmpty, "its lock is not this host's to test")
            test.clock.advance(seconds: 60)
            #expect(try await test.queue.rescue().isEmpty, "the lease runs until its end")
            #expect(try await test.status().running == 1)
            test.clock.advance(milliseconds: 1)
            #expect(try await test.status().orphaned == 1)
            #expect(try await test.queue.rescue().map(\.attempt) == [claim.attempt])
            #expect(
                try await test.queue.workers().map(\.workerID) == [worker],
                "it may live and be cut off only")
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `the begun attempts are blamed, the others go back as interrupted`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            let jobs = try await test.enqueueGroup(4) { $0.maxCrashes = 1 }
            let worker = try await test.worker()
            let claims = try await test.claims(worker)
            try #require(claims.count == 4)
            #expect(try await test.queue.start(claims[1].attempt))
            #expect(try await test.queue.start(claims[2].attempt))
            try await test.kill(worker)
            let rescued = try await test.queue.rescue()
            #expect(rescued.map(\.attempt) == claims.map(\.attempt))
            #expect(rescued.map(\.fate) == [.requeued, .quarantined, .quarantined, .requeued])
            #expect(try await test.states(jobs) == [.queued, .failed, .failed, .queued])
            for job in [jobs[0], jobs[3]] {
                #expect(try await test.outcomes(job) == ["interrupted"])
                #expect(try await test.row(job).attemptsMade == 0)
            }
            let again = try await test.claims(try await test.worker())
            #expect(again.map(\.job) == [jobs[0], jobs[3]], "they are companions still")
            #expect(again.map(\.crashes) == [0, 0])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `when none was begun the first claimed is blamed`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let jobs = try await test.enqueueGroup(3) { $0.maxCrashes = 1 }
            let worker = try await test.worker()
            _ = try await test.claims(worker)
            try await test.kill(worker)
            #expect(
                try await test.queue.rescue().map(\.fate) == [.quarantined, .requeued, .requeued])
            #expect(try await test.states(jobs) == [.failed, .queued, .queued])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a begun attempt that has ended takes no blame`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let jobs = try await test.enqueueGroup(3) { $0.maxCrashes = 1 }
            let worker = try await test.worker()
            let claims = try await test.claims(worker)
            try #require(claims.count == 3)
            _ = try await test.queue.start(claims[0].attempt)
            _ = try await test.queue.complete(claims[0].attempt, .sample("x"))
            try await test.kill(worker)
            #expect(try await test.queue.rescue().map(\.fate) == [.quarantined, .requeued])
            #expect(try await test.states(jobs) == [.succeeded, .failed, .queued])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `each of several dead workers has its own blame`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            try await test.enqueue(4) { $0.maxCrashes = 1 }
            let first = try await test.worker()
            let second = try await test.worker()
            let begun = [
                try await test.claim(first), try await test.claim(second),
                try await test.claim(first), try await test.claim(second),
            ]
            _ = try await test.queue.start(begun[2].attempt)
            try await test.endLife(first)
            try await test.kill(second)
            #expect(
                try await test.queue.rescue().map(\.fate)
                    == [.requeued, .quarantined, .quarantined, .requeued])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a job that kills its workers is failed for good at its limit`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            let job = try await test.enqueue(1) {
                $0.maxCrashes = 3
                $0.maxAttempts = 1
            }[0]
            var fates: [Rescued.Fate] = []
            for crashes in 0..<3 {
                let worker = try await test.worker()
                let claim = try await test.claim(worker)
                #expect(claim.crashes == crashes && claim.number == 1)
                try await test.beat(
                    worker, LiveAttempt(claim.attempt, progress: 0.4, stage: "decode"))
                try await test.kill(worker)
                fates += try await test.queue.rescue().map(\.fate)
            }
            #expect(fates == [.requeued, .requeued, .quarantined])
            let row = try await test.row(job)
            #expect(row.state == .failed && row.errorClass == .crash && row.stage == "decode")
            #expect(row.errorCode == "worker_died" && row.errorMessage?.contains("3 of 3") == true)
            #expect(try await test.outcomes(job) == ["crashed", "crashed", "crashed"])
            #expect(try await test.drain(try await test.worker()).isEmpty)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a quarantined job that is tried again begins anew`(backend: BackendUnderTest) async throws
    {
        try await backend.run { test in
            let jobs = try await test.enqueueGroup(2) { $0.maxCrashes = 1 }
            let worker = try await test.worker()
            _ = try await test.claims(worker, limit: 1)
            try await test.kill(worker)
            #expect(try await test.queue.rescue().map(\.fate) == [.quarantined])
            #expect(try await test.queue.retry(.with { $0.errorClasses = [.crash] }) == 1)
            let claims = try await test.claims(try await test.worker())
            #expect(Set(claims.map(\.job)) == Set(jobs), "it is a companion again")
            #expect(claims.allSatisfy { $0.crashes == 0 && $0.number == 1 })
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `crashes do not use up attempts, nor attempts crashes`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            let job = try await test.enqueue(1) {
                $0.maxAttempts = 2
                $0.maxCrashes = 2
            }[0]
            let first = try await test.claim(try await test.worker())
            _ = try await test.queue.fail(first.attempt, .sample(.resource), retryAt: test.soon)
            test.clock.advance(seconds: 1)
            let dead = try await test.worker()
            #expect(try await test.claim(dead).number == 2)
            try await test.kill(dead)
            #expect(try await test.queue.rescue().map(\.fate) == [.requeued])
            #expect(try await test.row(job).attemptsMade == 1)
            let last = try await test.claim(try await test.worker())
            #expect(last.number == 2 && last.crashes == 1)
            _ = try await test.queue.fail(last.attempt, .sample(.resource), retryAt: test.soon)
            #expect(try await test.state(job) == .failed)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `two rescuers take a job back once`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            try await test.enqueue(12)
            for _ in 0..<12 {
                let worker = try await test.worker()
                _ = try await test.claim(worker)
                try await test.endLife(worker)
            }
            if !test.seesLives { test.clock.advance(seconds: 61) }
            let second = try await test.another()
            async let first = test.queue.rescue()
            async let other = second.rescue()
            let jobs = try await (first + other).map(\.job)
            #expect(jobs.count == 12 && Set(jobs).count == 12)
            let claims = try await test.claims(try await test.worker())
            #expect(claims.allSatisfy { $0.crashes == 1 })
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a rescue and a completion at the same time leave one outcome`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            let second = try await test.another()
            for round in 0..<8 {
                let job = try await test.enqueue([.sample(video: round)])[0]
                let worker = try await test.farWorker()
                let claim = try await test.claim(worker)
                test.clock.advance(seconds: 61)
                async let rescued = second.rescue()
                async let finish = test.queue.complete(claim.attempt, .sample("x"))
                let (isBack, stored) = try await (!rescued.isEmpty, finish)
                let state = try await test.state(job)
                #expect(isBack ? stored == .leaseLost : stored == .stored)
                #expect(state == (isBack ? .queued : .succeeded))
                let hasAnswer = try await test.queue.show(job)?.answer != nil
                #expect(hasAnswer == !isBack)
                _ = try await test.queue.cancel(JobSelection())
            }
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `what a worker left in hand when it signed off comes back`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let worker = try await test.worker()
            _ = try await test.claim(worker)
            try await test.queue.unregister(worker, reason: "stopped")
            if !test.seesLives { test.clock.advance(seconds: 61) }
            #expect(try await test.queue.rescue().map(\.fate) == [.requeued])
            #expect(try await test.state(job) == .queued)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a worker that leaves properly leaves nothing`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            try await test.enqueue(1)
            let worker = try await test.worker()
            let claim = try await test.claim(worker)
            _ = try await test.queue.complete(claim.attempt, .sample("x"))
            try await test.queue.unregister(worker, reason: "drained")
            try await test.queue.unregister(worker, reason: "again")
            try await test.queue.unregister(worker + 999_999, reason: "never was")
            #expect(try await test.queue.workers().isEmpty)
            test.clock.advance(seconds: 1_000)
            #expect(try await test.queue.rescue().isEmpty)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `care does not take a living worker's job or a dead one's`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            try await test.enqueue(2)
            let living = try await test.worker()
            let dead = try await test.worker()
            _ = try await test.claim(living)
            _ = try await test.claim(dead)
            try await test.endLife(dead)
            try await test.queue.maintain()
            #expect(
                try await test.queue.list(.with { $0.states = [.running] }, limit: 9).count == 2)
        }
    }
}
