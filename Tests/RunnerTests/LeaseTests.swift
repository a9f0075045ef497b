import Foundation
import Jobs
import Synchronization
import Testing

@testable import Runner

@Suite(.timeLimit(.minutes(10))) struct LeaseTests {
    @Test func `a result whose lease was lost is dropped and the job is answered again`()
        async throws
    {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let ids = try await fixture.enqueue(1)
        // Another host, an hour ahead: to it every lease has run out.
        var elsewhere = QueueEnvironment()
        elsewhere.host = HostIdentity(host: "elsewhere", bootID: "other")
        elsewhere.now = { Int64(Date().timeIntervalSince1970 * 1000) + 3_600_000 }
        let other = try SQLiteQueue(path: fixture.queue.path, environment: elsewhere)
        let tries = Mutex(0)
        let engine = StubEngine(answer: { _, _ in
            let number = tries.withLock { tries in
                tries += 1
                return tries
            }
            if number == 1 { _ = try await other.rescue() }
            return "try \(number)"
        })
        var options = RunnerOptions.quick
        // No heartbeat tells: it is the token that keeps the first result out.
        options.heartbeat = .seconds(3600)
        options.until = Date(timeIntervalSinceNow: 20)
        options.maxJobs = 1
        let first = try await runner(fixture.queue, engine, options).run()
        #expect(first.lost == 1)
        #expect(first.succeeded == 0)
        #expect(try await fixture.states() == [.queued])
        _ = try await fixture.queue.retry(JobSelection())
        // The rescue requeued it an hour ahead; a queue of that time finds it.
        let second = try await runner(other, engine, options.filtered()).run()
        #expect(second.succeeded == 1)
        #expect(try await other.show(ids[0])?.answer?.answer == "try 2")
    }

    @Test func `a lost lease ends the engine's work at the next heartbeat`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        try await fixture.enqueue(1)
        let queue = AilingQueue(fixture.queue)
        queue.heartbeatReply = .lost
        let engine = StubEngine(answer: { _, _ in try await untilCancelled() })
        var options = RunnerOptions.quick
        options.maxJobs = 1
        let summary = try await runner(queue, engine, options).run()
        #expect(summary.lost == 1)
        #expect(queue.completions == 0)
    }

    @Test func `a finished answer is kept until the queue takes it`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let ids = try await fixture.enqueue(1)
        let queue = AilingQueue(fixture.queue)
        queue.completionFailures = 2
        let summary = try await runner(queue, StubEngine()).run()
        #expect(summary.succeeded == 1)
        #expect(queue.completions == 3)
        #expect(try await fixture.queue.show(ids[0])?.answer?.answer == "answer to 1")
    }

    @Test func `an answer whose reply was lost counts as stored, whatever a heartbeat says of it`()
        async throws
    {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let ids = try await fixture.enqueue(1)
        let queue = AilingQueue(fixture.queue)
        queue.losesReply = true
        queue.isMultiHost = true
        let summary = try await runner(queue, StubEngine()).run()
        #expect(summary.succeeded == 1 && summary.lost == 0)
        #expect(queue.completions == 2)
        #expect(try await fixture.queue.show(ids[0])?.answer?.answer == "answer to 1")
    }

    @Test func `heartbeats keep the lease while the engine works`() async throws {
        // Time stands still but for the engine, so a busy machine changes nothing.
        let clock = ManualClock()
        let fixture = try QueueFixture(environment: clock.environment)
        defer { fixture.remove() }
        try await fixture.enqueue(1)
        var environment = clock.environment
        environment.host = HostIdentity(host: "elsewhere", bootID: "other")
        let other = try SQLiteQueue(path: fixture.queue.path, environment: environment)
        let queue = AilingQueue(fixture.queue)
        var options = RunnerOptions.quick
        options.lease = .seconds(60)
        options.heartbeat = .seconds(15)
        let isAnswered = Latch<Void>()
        let engine = StubEngine(answer: { _, input in
            defer { isAnswered.set(()) }
            // Three leases long; another host looks after every heartbeat.
            for _ in 0..<12 {
                while !clock.isSleeping(for: 15) { try await Task.sleep(for: .milliseconds(1)) }
                let beats = queue.heartbeats
                clock.advance(by: 15)
                while queue.heartbeats == beats { try await Task.sleep(for: .milliseconds(1)) }
                #expect(try await other.rescue().isEmpty)
            }
            return input
        })
        let worker = runner(queue, engine, options, clock: clock.runnerClock)
        let run = Task { try await worker.run() }
        _ = await isAnswered.wait()
        // Before it ends the worker may wait a moment.
        let summary = try await clock.run { try await run.value }
        #expect(summary.succeeded == 1)
    }

    @Test func `a worker that cannot reach the queue gives its job up before the lease ends`()
        async throws
    {
        let clock = ManualClock()
        let fixture = try QueueFixture(environment: clock.environment)
        defer { fixture.remove() }
        try await fixture.enqueue(1)
        let queue = AilingQueue(fixture.queue)
        queue.isMultiHost = true
        queue.heartbeatError = QueueError(.unavailable, "no route to host")
        var options = RunnerOptions()
        options.maxJobs = 1
        let ended = Mutex<Double>(0)
        let start = clock.seconds
        let engine = StubEngine(answer: { _, _ in
            do { return try await untilCancelled() } catch {
                ended.withLock { $0 = clock.seconds }
                throw error
            }
        })
        let worker = runner(queue, engine, options, clock: clock.runnerClock)
        let summary = try await clock.run { try await worker.run() }
        #expect(summary.lost == 1)
        // A lease of 60 s less 15 s, and some seconds in which the test moved on.
        #expect((45..<60).contains(ended.withLock { $0 } - start))
        #expect(queue.completions == 0)
    }

    @Test func `on one machine a queue that is locked for minutes costs no work`() async throws {
        let clock = ManualClock()
        let fixture = try QueueFixture(environment: clock.environment)
        defer { fixture.remove() }
        try await fixture.enqueue(1)
        let queue = AilingQueue(fixture.queue)
        queue.heartbeatError = QueueError(.busy, "locked")
        var options = RunnerOptions()
        options.drain = true
        let engine = StubEngine(answer: { _, input in
            let end = clock.seconds + 300
            while clock.seconds < end { try await Task.sleep(for: .milliseconds(5)) }
            queue.heartbeatError = nil
            return input
        })
        let worker = runner(queue, engine, options, clock: clock.runnerClock)
        let summary = try await clock.run { try await worker.run() }
        #expect((summary.succeeded, summary.lost) == (1, 0))
    }

    @Test func `an answer that is there is tried although the job was given up meanwhile`()
        async throws
    {
        let clock = ManualClock()
        let fixture = try QueueFixture(environment: clock.environment)
        defer { fixture.remove() }
        try await fixture.enqueue(1)
        let queue = AilingQueue(fixture.queue)
        queue.isMultiHost = true
        let observer = RecordingObserver()
        let engine = StubEngine(answer: { _, input in
            queue.heartbeatError = QueueError(.unavailable, "gone")
            queue.completionError = QueueError(.unavailable, "gone")
            return input
        })
        var options = RunnerOptions()
        options.maxJobs = 1
        let worker = runner(queue, engine, options, clock: clock.runnerClock, observer: observer)
        let run = Task { try await worker.run() }
        while queue.completions == 0 { try await Task.sleep(for: .milliseconds(1)) }
        // Past the fence, before the lease's end.
        for _ in 0..<50 {
            clock.advance(by: 1)
            try await Task.sleep(for: .milliseconds(2))
        }
        queue.completionError = nil
        // The call under way may still fail: it does so before the time moves on.
        try await Task.sleep(for: .milliseconds(200))
        let summary = try await clock.run { try await run.value }
        #expect((summary.succeeded, summary.lost) == (1, 0))
    }

    @Test func `an idle worker is seen to live`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let queue = AilingQueue(fixture.queue)
        var options = RunnerOptions.quick
        options.drain = false
        options.idleExit = .milliseconds(300)
        let summary = try await runner(queue, StubEngine(), options).run()
        #expect(summary.reason == .idle)
        #expect(queue.live.count >= 2 && queue.live.allSatisfy { $0 == 0 })
    }

    @Test func `a corrupt database ends the run with its error`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        try await fixture.enqueue(2)
        let queue = AilingQueue(fixture.queue)
        queue.claimError = QueueError(.corrupt, "malformed")
        await #expect(throws: QueueError.self) {
            try await runner(queue, StubEngine()).run()
        }
    }
}

extension RunnerOptions {
    fileprivate func filtered() -> RunnerOptions {
        var options = self
        options.until = nil
        return options
    }
}
