import Foundation
import Synchronization
import Testing

@testable import Jobs

@Suite struct RescueTests {
    @Test func `a living worker keeps its job, whatever the clock says`() async throws {
        let test = try TestQueue()
        try await test.enqueue(1)
        let claim = try await test.claim(try await test.worker())
        test.clock.advance(seconds: 1_000_000)
        #expect(try await test.another().rescue().isEmpty)
        #expect(try await test.queue.complete(claim.attempt, .sample("slow")) == .stored)
    }

    @Test func `a dead worker's job is taken back at once`() async throws {
        let test = try TestQueue()
        let job = try await test.enqueue(1)[0]
        let worker = try await test.worker()
        let claim = try await test.claim(worker)
        // The kernel frees the lock of a process that ends.
        test.queue.dropLock(worker)

        let rescued = try await test.another().rescue()
        #expect(rescued.map(\.attempt) == [claim.attempt])
        #expect(rescued.map(\.fate) == [.requeued])
        let detail = try #require(try await test.queue.show(job))
        #expect(detail.job.state == .queued && detail.job.attemptsMade == 0)
        #expect(detail.attempts.map(\.outcome) == ["crashed"])
        #expect(try await test.value("SELECT crashes FROM jobs") == 1)
        #expect(try await test.value("SELECT stop_reason FROM workers") == "died")
        #expect(try await test.queue.rescue().isEmpty)
        #expect(try await test.claim(try await test.worker()).job == job)
    }

    @Test func `the lock file of a dead worker is cleared away`() async throws {
        let test = try TestQueue()
        try await test.enqueue(1)
        let worker = try await test.worker()
        _ = try await test.claim(worker)
        func locks() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: test.path + ".workers").count
        }
        #expect(try locks() == 1)
        test.queue.dropLock(worker)
        _ = try await test.queue.rescue()
        #expect(try locks() == 0)
    }

    @Test func `a worker that died between two jobs is buried at the next care`() async throws {
        let test = try TestQueue()
        try await test.enqueue(1)
        let dead = try await test.worker()
        let living = try await test.worker()
        _ = try await test.claim(living)
        test.queue.dropLock(dead)
        try await test.queue.maintain()
        let stopped = "SELECT group_concat(worker_id) FROM workers WHERE stop_reason = 'died'"
        #expect(try await test.value(stopped) == "\(dead)")
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: test.path + ".workers").count == 1)
    }

    @Test func `a worker that leaves properly leaves nothing`() async throws {
        let test = try TestQueue()
        try await test.enqueue(1)
        let worker = try await test.worker()
        let claim = try await test.claim(worker)
        _ = try await test.queue.complete(claim.attempt, .sample("x"))
        try await test.queue.unregister(worker, reason: "drained")
        #expect(try await test.value("SELECT stop_reason FROM workers") == "drained")
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: test.path + ".workers").isEmpty)
        #expect(try await test.queue.rescue().isEmpty)
    }

    @Test(arguments: ["host", "boot_id"])
    func `of a worker on another kernel only the lease tells`(column: String) async throws {
        let test = try TestQueue()
        try await test.enqueue(1)
        let worker = try await test.worker()
        _ = try await test.claim(worker)
        try await test.execute("UPDATE workers SET \(column) = 'elsewhere'")
        test.queue.dropLock(worker)
        #expect(try await test.queue.rescue().isEmpty)
        test.clock.advance(seconds: 59)
        #expect(try await test.queue.rescue().isEmpty)
        test.clock.advance(seconds: 2)
        #expect(try await test.queue.rescue().count == 1)
        #expect(try await test.value("SELECT count(stopped_at_ms) FROM workers") == 0)
    }

    @Test func `a job that kills its workers is failed for good at its limit`() async throws {
        let test = try TestQueue()
        let job = try await test.enqueue(1) {
            $0.maxCrashes = 3
            $0.maxAttempts = 1
        }[0]
        var fates: [Rescued.Fate] = []
        for _ in 0..<3 {
            let worker = try await test.worker()
            _ = try await test.claim(worker)
            test.queue.dropLock(worker)
            fates += try await test.queue.rescue().map(\.fate)
        }
        #expect(fates == [.requeued, .requeued, .quarantined])
        let detail = try #require(try await test.queue.show(job))
        #expect(detail.job.state == .failed && detail.job.errorClass == .crash)
        #expect(detail.job.errorCode == "worker_died")
        #expect(detail.attempts.map(\.outcome) == ["crashed", "crashed", "crashed"])
    }

    @Test func `a job that only waited its turn in a dead worker is not blamed`() async throws {
        let test = try TestQueue()
        let jobs = try await test.enqueue(2) { $0.maxCrashes = 1 }
        let worker = try await test.worker()
        _ = try await test.claim(worker)
        _ = try await test.claim(worker)
        test.queue.dropLock(worker)
        #expect(try await test.queue.rescue().map(\.fate) == [.quarantined, .requeued])
        #expect(try await test.state(jobs[0]) == .failed)
        let waiting = try #require(try await test.queue.show(jobs[1]))
        #expect(waiting.job.state == .queued && waiting.job.attemptsMade == 0)
        #expect(waiting.attempts.map(\.outcome) == ["interrupted"])
    }

    @Test func `begun attempts take the blame, whichever was claimed first`() async throws {
        let test = try TestQueue()
        let jobs = try await test.enqueue(3) { $0.maxCrashes = 1 }
        let worker = try await test.worker()
        let claims = [
            try await test.claim(worker), try await test.claim(worker),
            try await test.claim(worker),
        ]
        #expect(try await test.queue.start(claims[1].attempt))
        #expect(try await test.queue.start(claims[1].attempt), "said twice, begun once")
        #expect(try await test.queue.show(jobs[1])?.attempts.first?.begunAt != nil)
        test.queue.dropLock(worker)
        #expect(
            try await test.queue.rescue().map(\.fate) == [.requeued, .quarantined, .requeued])
        #expect(
            try await test.value("SELECT group_concat(crashes) FROM jobs", as: String.self)
                == "0,1,0")
        #expect(try await !test.queue.start(claims[0].attempt), "the lease is lost")
    }

    @Test func `a begun attempt that has ended is not to blame for what followed`() async throws {
        let test = try TestQueue()
        let jobs = try await test.enqueue(3)
        let worker = try await test.worker()
        let claims = [
            try await test.claim(worker), try await test.claim(worker),
            try await test.claim(worker),
        ]
        #expect(try await test.queue.start(claims[0].attempt))
        _ = try await test.queue.complete(claims[0].attempt, .sample("x"))
        #expect(try await test.queue.start(claims[2].attempt))
        test.queue.dropLock(worker)
        _ = try await test.queue.rescue()
        #expect(try await test.state(jobs[0]) == .succeeded)
        #expect(
            try await test.value("SELECT group_concat(crashes) FROM jobs", as: String.self)
                == "0,0,1")
    }

    @Test func `a lease that alone ran out does not blame while the worker has begun another`()
        async throws
    {
        let test = try TestQueue()
        try await test.enqueue(2)
        let worker = try await test.worker()
        let (first, second) = (try await test.claim(worker), try await test.claim(worker))
        #expect(try await test.queue.start(second.attempt))
        try await test.execute("UPDATE workers SET host = 'elsewhere'")
        test.clock.advance(seconds: 50)
        #expect(try await test.beat(second) != .lost)
        test.clock.advance(seconds: 11)
        #expect(try await test.queue.rescue().map(\.attempt) == [first.attempt])
        #expect(try await test.value("SELECT sum(crashes) FROM jobs") == 0)
        #expect(try await test.beat(second) != .lost)
    }

    @Test func `two rescuers take a job back once`() async throws {
        let test = try TestQueue()
        try await test.enqueue(20)
        for _ in 0..<20 {
            let worker = try await test.worker()
            _ = try await test.claim(worker)
            test.queue.dropLock(worker)
        }
        let second = try test.another()
        async let first = test.queue.rescue()
        async let other = second.rescue()
        let counts = try await (first.count, other.count)
        #expect(counts.0 + counts.1 == 20)
        #expect(try await test.value("SELECT sum(crashes) FROM jobs") == 20)
    }
}

extension SQLiteQueue {
    /// Frees the worker's lock and leaves its row, as the end of its process does.
    func dropLock(_ worker: WorkerID) {
        _ = locks.withLock { $0.removeValue(forKey: worker) }
    }
}
