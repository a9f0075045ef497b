import Foundation
import Glibc
import Jobs
import Testing

@testable import Runner

@Suite(.timeLimit(.minutes(10))) struct StoppingTests {
    @Test func `the first signal lets the job in hand finish and gives the prepared one back`()
        async throws
    {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let ids = try await fixture.enqueue(3)
        let stop = StopSignal()
        let isPrepared = Latch<Void>()
        let engine = StubEngine(
            prepare: { claim in
                if claim.question == "2" { isPrepared.set(()) }
                return claim.question
            },
            answer: { _, input in
                _ = await isPrepared.wait()
                try await Task.sleep(for: .milliseconds(30))
                stop.request(signal: SIGTERM)
                return input
            })
        let summary = try await runner(fixture.queue, engine).run(stop: stop)
        #expect(summary.reason == .stopped(SIGTERM))
        #expect(summary.succeeded == 1)
        #expect(summary.interrupted == 1)
        #expect(try await fixture.states() == [.succeeded, .queued, .queued])
        let second = try #require(try await fixture.queue.show(ids[1]))
        #expect(second.job.attemptsMade == 0)
        #expect(second.attempts.map(\.outcome) == ["interrupted"])
    }

    @Test func `the second signal gives the job in hand back without waiting for the engine`()
        async throws
    {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let ids = try await fixture.enqueue(1)
        let stop = StopSignal()
        let mayEnd = Latch<Void>()
        let engine = StubEngine(answer: { _, input in
            stop.request(signal: SIGINT)
            stop.request(signal: SIGINT)
            // Deep in a computation that sees no cancellation.
            await Task.detached { _ = await mayEnd.wait() }.value
            return input
        })
        let summary = try await runner(fixture.queue, engine).run(stop: stop)
        mayEnd.set(())
        #expect(summary.reason == .forced(SIGINT))
        #expect(summary.interrupted == 1)
        #expect(try await fixture.states() == [.queued])
        #expect(try await fixture.queue.show(ids[0])?.job.attemptsMade == 0)
    }

    @Test func `a job that outlasts the grace is given back`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        try await fixture.enqueue(1)
        let stop = StopSignal()
        var options = RunnerOptions.quick
        options.grace = .milliseconds(50)
        let engine = StubEngine(answer: { _, _ in
            stop.request(signal: SIGTERM)
            return try await untilCancelled()
        })
        let summary = try await runner(fixture.queue, engine, options).run(stop: stop)
        #expect(summary.reason == .stopped(SIGTERM))
        #expect(summary.interrupted == 1)
        #expect(try await fixture.states() == [.queued])
    }

    @Test func `an idle worker stops at once`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let stop = StopSignal()
        var options = RunnerOptions()
        options.pollInterval = .seconds(3600)
        Task {
            try await Task.sleep(for: .milliseconds(50))
            stop.request(signal: SIGTERM)
        }
        let summary = try await runner(fixture.queue, StubEngine(), options).run(stop: stop)
        #expect(summary.reason == .stopped(SIGTERM))
    }
}
