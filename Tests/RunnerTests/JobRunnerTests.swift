import Foundation
import Glibc
import Jobs
import Synchronization
import Testing
import Torch
import VideoFrames

@testable import Runner

@Suite(.timeLimit(.minutes(10))) struct JobRunnerTests {
    @Test func `every job of a drained queue is answered, each with its own answer`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let ids = try await fixture.enqueue(7)
        let summary = try await runner(fixture.queue, StubEngine()).run()
        #expect(summary.succeeded == 7)
        #expect(summary.reason == .drained)
        for (index, id) in ids.enumerated() {
            let detail = try await fixture.queue.show(id)
            #expect(detail?.answer?.answer == "answer to \(index + 1)")
        }
    }

    @Test func `a bad video and a failing answer do not stop the batch`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let ids = try await fixture.enqueue(5, maxAttempts: 1)
        let engine = StubEngine(
            prepare: { claim in
                if claim.question == "2" {
                    throw VideoError(code: .notAVideo, path: claim.video.path, message: "is text")
                }
                return claim.question
            },
            answer: { _, input in
                if input == "4" {
                    throw TorchError(.outOfMemory, operation: "aten::mm", message: "no room")
                }
                return input
            })
        let summary = try await runner(fixture.queue, engine).run()
        #expect(summary.succeeded == 3)
        #expect(summary.failed == 2)
        #expect(
            try await fixture.states() == [.succeeded, .failed, .succeeded, .failed, .succeeded])
        let bad = try #require(try await fixture.queue.show(ids[1])?.job)
        #expect(bad.errorClass == .input)
        #expect(bad.errorCode == "not_a_video")
        #expect(bad.errorMessage?.contains("/videos/2.mp4") == true)
        #expect(bad.stage == "decode")
        let full = try #require(try await fixture.queue.show(ids[3])?.job)
        #expect(full.errorClass == .resource)
        #expect(full.errorCode == "out_of_memory")
        #expect(full.stage == "prefill")
    }

    @Test func `bad input is tried once, whatever the limit`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let ids = try await fixture.enqueue(1, maxAttempts: 5)
        let engine = StubEngine(prepare: { claim in
            throw VideoError(code: .moovMissing, path: claim.video.path, message: "cut off")
        })
        let summary = try await runner(fixture.queue, engine).run()
        #expect(summary.failed == 1)
        #expect(try await fixture.queue.show(ids[0])?.attempts.count == 1)
    }

    @Test func `a failed attempt waits longer each time before the next`() async throws {
        let clock = ManualClock()
        let fixture = try QueueFixture(environment: clock.environment)
        defer { fixture.remove() }
        try await fixture.enqueue(1)
        let starts = Mutex<[Double]>([])
        let engine = StubEngine(answer: { claim, _ in
            // From here to the row that says when to try again, no time passes.
            clock.hold(true)
            starts.withLock { $0.append(clock.seconds) }
            if claim.number < 3 {
                throw TorchError(.outOfMemory, operation: "aten::mm", message: "no room")
            }
            return "third time"
        })
        var options = RunnerOptions()
        options.drain = true
        let observer = RecordingObserver(onFinish: { clock.hold(false) })
        let worker = runner(
            fixture.queue, engine, options, clock: clock.runnerClock, observer: observer)
        let summary = try await clock.run { try await worker.run() }
        #expect(summary.succeeded == 1)
        #expect(summary.retried == 2)
        let retries = observer.outcomes.compactMap { outcome in
            if case .failed(_, let retryAt?) = outcome {
                retryAt.timeIntervalSince1970
            } else {
                nil
            }
        }
        let times = starts.withLock { $0 }
        try #require(times.count == 3 && retries.count == 2)
        // 30 s and 60 s, each times 0.8 to 1.2.
        #expect((24...36).contains(retries[0] - times[0]))
        #expect((48...72).contains(retries[1] - times[1]))
        // The queue keeps milliseconds.
        #expect(times[1] >= retries[0] - 0.001)
        #expect(times[2] >= retries[1] - 0.001)
    }

    @Test func `a job that takes longer than its limit fails as a timeout`() async throws {
        let clock = ManualClock()
        let fixture = try QueueFixture(environment: clock.environment)
        defer { fixture.remove() }
        let ids = try await fixture.enqueue(1, maxAttempts: 1, timeout: .seconds(20))
        let start = clock.seconds
        var options = RunnerOptions()
        options.drain = true
        let engine = StubEngine(answer: { _, _ in try await untilCancelled() })
        let worker = runner(fixture.queue, engine, options, clock: clock.runnerClock)
        let summary = try await clock.run { try await worker.run() }
        #expect(summary.failed == 1)
        #expect(clock.seconds - start >= 20)
        let job = try #require(try await fixture.queue.show(ids[0]))
        #expect(job.job.errorClass == .timeout)
        #expect(job.attempts.map(\.outcome) == ["timeout"])
    }

    @Test func `a running job that is cancelled stops and the next one is answered`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let ids = try await fixture.enqueue(2)
        let queue = fixture.queue
        let engine = StubEngine(answer: { claim, input in
            guard claim.question == "1" else { return input }
            var selection = JobSelection()
            selection.ids = [claim.job...claim.job]
            _ = try await queue.cancel(selection)
            return try await untilCancelled()
        })
        let summary = try await runner(queue, engine).run()
        #expect(summary.cancelled == 1)
        #expect(summary.succeeded == 1)
        #expect(try await fixture.states() == [.cancelled, .succeeded])
        #expect(try await queue.show(ids[0])?.answer == nil)
    }

    @Test func `the next job is prepared beside the answer, one ahead, and answers never overlap`()
        async throws
    {
        struct Count {
            var prepared = 0, answered = 0, answering = 0, overlapped = false, ahead = 0
        }
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        try await fixture.enqueue(6)
        let count = Mutex(Count())
        let engine = StubEngine(
            prepare: { claim in
                count.withLock { $0.prepared += 1 }
                return claim.question
            },
            answer: { _, input in
                count.withLock { count in
                    count.answering += 1
                    count.overlapped = count.overlapped || count.answering > 1
                }
                // A loaded machine may take its time to prepare the next one; a second would follow soon.
                let patience = ContinuousClock.now + .seconds(20)
                while count.withLock({ $0.prepared < min(6, $0.answered + 2) }),
                    ContinuousClock.now < patience
                { try await Task.sleep(for: .milliseconds(5)) }
                try await Task.sleep(for: .milliseconds(40))
                count.withLock { count in
                    count.answering -= 1
                    count.answered += 1
                    count.ahead = max(count.ahead, count.prepared - count.answered)
                }
                return input
            })
        let summary = try await runner(fixture.queue, engine).run()
        #expect(summary.succeeded == 6)
        let result = count.withLock { $0 }
        #expect(!result.overlapped)
        #expect(result.ahead == 1)
    }

    @Test func `an interrupted answer has ended before the next one begins`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        try await fixture.enqueue(2)
        let queue = fixture.queue
        let isBusy = Mutex(false)
        let engine = StubEngine(answer: { claim, input in
            #expect(!isBusy.withLock { $0 })
            guard claim.question == "1" else { return input }
            isBusy.withLock { $0 = true }
            var selection = JobSelection()
            selection.ids = [claim.job...claim.job]
            _ = try await queue.cancel(selection)
            // Sees the cancellation only at the end of a long step.
            await Task.detached { try? await Task.sleep(for: .milliseconds(200)) }.value
            isBusy.withLock { $0 = false }
            throw CancellationError()
        })
        let summary = try await runner(queue, engine).run()
        #expect(summary.cancelled == 1)
        #expect(summary.succeeded == 1)
    }

    @Test func `no more jobs are claimed than asked for`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        try await fixture.enqueue(5)
        var options = RunnerOptions.quick
        options.maxJobs = 2
        let summary = try await runner(fixture.queue, StubEngine(), options).run()
        #expect(summary.claimed == 2)
        #expect(summary.succeeded == 2)
        #expect(summary.reason == .maxJobs)
    }

    @Test func `nothing is claimed after the time to end`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        try await fixture.enqueue(1)
        var options = RunnerOptions.quick
        options.until = Date(timeIntervalSinceNow: -1)
        let summary = try await runner(fixture.queue, StubEngine(), options).run()
        #expect(summary.claimed == 0)
        #expect(summary.reason == .until)
    }

    @Test func `an answer is given the frames of its own job`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        try await fixture.enqueue(20)
        let wrong = Mutex(0)
        let engine = StubEngine(answer: { claim, input in
            if claim.question != input { wrong.withLock { $0 += 1 } }
            return input
        })
        _ = try await runner(fixture.queue, engine).run()
        #expect(wrong.withLock { $0 } == 0)
    }
}
