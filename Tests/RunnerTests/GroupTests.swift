import Foundation
import Jobs
import Synchronization
import Testing
import Torch
import VideoFrames

@testable import Runner

/// Jobs about one video are claimed together, prepared once, and end each by itself.
@Suite(.timeLimit(.minutes(10))) struct GroupTests {
    @Test func `the questions of a video are prepared once and answered in order`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        try await fixture.enqueueGroup(11)
        let seen = Mutex<(groups: [[String]], answered: [String], finished: [String])>(([], [], []))
        let engine = StubEngine(
            prepareGroup: { claims in
                seen.withLock { $0.groups.append(claims.map(\.question)) }
                return claims.map(\.question)
            },
            finishGroup: { prepared in seen.withLock { $0.finished.append(prepared) } },
            answer: { _, input in
                seen.withLock { $0.answered.append(input) }
                return input
            })
        let summary = try await runner(fixture.queue, engine).run()
        #expect(summary.succeeded == 11)
        let result = seen.withLock { $0 }
        let all = (1...11).map { "\($0)" }
        #expect(result.groups == [Array(all[..<8]), Array(all[8...])])
        #expect(result.answered == all)
        #expect(result.finished == ["1", "9"])
    }

    @Test func `an answer is stored before the next question of its group begins`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let ids = try await fixture.enqueueGroup(4)
        let queue = AilingQueue(fixture.queue)
        let states = Mutex<[[JobState]]>([])
        let engine = StubEngine(answer: { claim, input in
            let rows = try await queue.list(JobSelection(), limit: 9)
            states.withLock { $0.append(rows.map(\.state)) }
            // Work began on those before and on this one, and on no other.
            #expect(queue.started.last == claim.attempt)
            return input
        })
        _ = try await runner(queue, engine).run()
        #expect(queue.started.count == ids.count)
        #expect(
            states.withLock { $0 }
                == (0..<4).map { index in
                    (0..<4).map { $0 < index ? .succeeded : .running }
                })
    }

    @Test func `one heartbeat is about all jobs in hand, the group ahead included`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        try await fixture.enqueueGroup(3, video: "a")
        try await fixture.enqueueGroup(2, video: "b")
        let queue = AilingQueue(fixture.queue)
        let engine = StubEngine(answer: { claim, input in
            guard claim.question == "1", claim.video.path.hasSuffix("a.mp4") else { return input }
            let patience = ContinuousClock.now + .seconds(20)
            while !queue.live.contains(5), ContinuousClock.now < patience {
                try await Task.sleep(for: .milliseconds(2))
            }
            return input
        })
        let summary = try await runner(queue, engine).run()
        #expect(summary.succeeded == 5)
        #expect(queue.live.max() == 5)
    }

    @Test func `a member that fails or takes too long leaves the others as they are`() async throws
    {
        let clock = ManualClock()
        let fixture = try QueueFixture(environment: clock.environment)
        defer { fixture.remove() }
        let ids = try await fixture.enqueueGroup(5, maxAttempts: 1, timeout: .seconds(100))
        let engine = StubEngine(answer: { _, input in
            switch input {
            case "2": throw TorchError(.outOfMemory, operation: "aten::mm", message: "no room")
            case "4": return try await untilCancelled()
            default: return input
            }
        })
        let worker = runner(fixture.queue, engine, clock: clock.runnerClock)
        let summary = try await clock.run { try await worker.run() }
        #expect((summary.succeeded, summary.failed) == (3, 2))
        #expect(
            try await fixture.states() == [.succeeded, .failed, .succeeded, .failed, .succeeded])
        #expect(try await fixture.queue.show(ids[1])?.job.errorClass == .resource)
        #expect(try await fixture.queue.show(ids[3])?.job.errorClass == .timeout)
    }

    @Test func `a video that cannot be decoded fails each of its questions with a row of its own`()
        async throws
    {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let ids = try await fixture.enqueueGroup(3)
        try await fixture.enqueueGroup(1, video: "good")
        let tries = Mutex(0)
        let engine = StubEngine(prepareGroup: { claims in
            tries.withLock { $0 += 1 }
            throw VideoError(code: .notAVideo, path: claims[0].video.path, message: "is text")
        })
        let summary = try await runner(fixture.queue, engine).run()
        #expect((summary.failed, summary.succeeded) == (3, 1))
        #expect(tries.withLock { $0 } == 1)
        for id in ids {
            let job = try #require(try await fixture.queue.show(id))
            #expect(job.job.errorClass == .input && job.job.errorCode == "not_a_video")
            #expect(job.attempts.count == 1)
        }
    }

    @Test func `a member that is cancelled while another is answered is never begun`() async throws
    {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let ids = try await fixture.enqueueGroup(3)
        let queue = AilingQueue(fixture.queue)
        let begun = Mutex<[String]>([])
        let engine = StubEngine(answer: { _, input in
            begun.withLock { $0.append(input) }
            guard input == "1" else { return input }
            var selection = JobSelection()
            selection.ids = [ids[1]...ids[1]]
            _ = try await queue.cancel(selection)
            let beats = queue.heartbeats
            while queue.heartbeats < beats + 2 { try await Task.sleep(for: .milliseconds(2)) }
            return input
        })
        let summary = try await runner(queue, engine).run()
        #expect((summary.succeeded, summary.cancelled) == (2, 1))
        #expect(begun.withLock { $0 } == ["1", "3"])
        #expect(try await fixture.states() == [.succeeded, .cancelled, .succeeded])
    }

    @Test func `what was claimed and not begun goes back uncounted`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let ids = try await fixture.enqueueGroup(4)
        let stop = StopSignal()
        let engine = StubEngine(answer: { _, input in
            if input == "2" { stop.request(signal: 15) }
            return input
        })
        let summary = try await runner(fixture.queue, engine).run(stop: stop)
        #expect((summary.succeeded, summary.interrupted) == (2, 2))
        #expect(try await fixture.states() == [.succeeded, .succeeded, .queued, .queued])
        for id in ids[2...] {
            let job = try #require(try await fixture.queue.show(id))
            #expect(job.job.attemptsMade == 0)
            #expect(job.attempts.map(\.outcome) == ["interrupted"])
        }
    }

    @Test func `a job that took a worker with it runs alone, and nothing is prepared beside it`()
        async throws
    {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let ids = try await fixture.enqueueGroup(3)
        // A worker of another machine takes the first and dies.
        try await fixture.crash(ids[0])
        // It comes back behind its companions and before these.
        try await Task.sleep(for: .milliseconds(5))
        try await fixture.enqueue(3)
        let inHand = Mutex<(now: Set<JobID>, beside: [JobID: Int])>(([], [:]))
        let engine = StubEngine(
            prepare: { claim in
                inHand.withLock { state in
                    state.now.insert(claim.job)
                    for job in state.now {
                        state.beside[job] = max(state.beside[job] ?? 0, state.now.count - 1)
                    }
                }
                return claim.question
            },
            answer: { claim, input in
                try await Task.sleep(for: .milliseconds(60))
                inHand.withLock { _ = $0.now.remove(claim.job) }
                return input
            })
        let summary = try await runner(fixture.queue, engine).run()
        #expect(summary.succeeded == 6)
        let beside = inHand.withLock { $0.beside }
        #expect(beside[ids[0]] == 0)
        #expect(beside.values.max() ?? 0 > 0, "others are prepared beside each other")
    }

    @Test func `no more jobs are claimed than asked for, whatever the group`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        try await fixture.enqueueGroup(7)
        var options = RunnerOptions.quick
        options.maxJobs = 3
        let summary = try await runner(fixture.queue, StubEngine(), options).run()
        #expect((summary.claimed, summary.succeeded) == (3, 3))
        #expect(summary.reason == .maxJobs)
    }
}

extension QueueFixture {
    /// Takes the job for a worker that dies of it.
    func crash(_ job: JobID) async throws {
        var elsewhere = QueueEnvironment()
        elsewhere.host = HostIdentity(host: "elsewhere", bootID: "other")
        let other = try SQLiteQueue(path: queue.path, environment: elsewhere)
        let worker = try await other.register(
            WorkerInfo(host: "elsewhere", bootID: "other", pid: 1, device: "cpu", version: "t"))
        let claims = try await other.claim(
            worker, filter: ClaimFilter(), limit: 1, lease: .milliseconds(1))
        #expect(claims.map(\.job) == [job])
        #expect(try await other.start(claims[0].attempt))
        try await Task.sleep(for: .milliseconds(30))
        #expect(try await queue.rescue().map(\.job) == [job])
    }
}
