import Foundation
import Glibc
import Jobs
import Synchronization
import Testing
import VideoFrames

@testable import Runner

/// Why a run ends, other than by a signal.
@Suite(.timeLimit(.minutes(10))) struct EndingTests {
    @Test func `enough failures end the run, and what was claimed ahead goes back`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        try await fixture.enqueueGroup(9, maxAttempts: 1)
        let engine = StubEngine(answer: { _, input in
            if input == "2" || input == "4" {
                throw Failure(errorClass: .internal, code: "broken", message: "no")
            }
            return input
        })
        var options = RunnerOptions.quick
        options.halt = try HaltPolicy("soon,fail=2")
        let summary = try await runner(fixture.queue, engine, options).run()
        #expect(summary.reason == .halted)
        #expect((summary.succeeded, summary.failed) == (2, 2))
        let states = try await fixture.states()
        #expect(states[4...].allSatisfy { $0 == .queued })
        for id in 5...9 {
            #expect(try await fixture.queue.show(JobID(id))?.job.attemptsMade == 0)
        }
    }

    @Test func `nothing begins that would probably not end in time`() async throws {
        let clock = ManualClock()
        let fixture = try QueueFixture(environment: clock.environment)
        defer { fixture.remove() }
        try await fixture.enqueueGroup(20)
        let begun = Mutex<[Double]>([])
        let start = clock.seconds
        // Each job takes at least 100 s, and what lies between two of them takes no time.
        clock.hold(true)
        let engine = StubEngine(answer: { _, input in
            begun.withLock { $0.append(clock.seconds - start) }
            clock.hold(false)
            let end = clock.seconds + 100
            while clock.seconds < end { try await Task.sleep(for: .milliseconds(1)) }
            clock.hold(true)
            return input
        })
        var options = RunnerOptions()
        options.until = Date(timeIntervalSince1970: start + 450)
        let worker = runner(fixture.queue, engine, options, clock: clock.runnerClock)
        let summary = try await clock.run { try await worker.run() }
        #expect(summary.reason == .until)
        #expect((2...4).contains(summary.succeeded))
        #expect(begun.withLock { $0 }.dropFirst().allSatisfy { $0 <= 350 })
        let states = try await fixture.states()
        #expect(states.count { $0 == .queued } == 20 - summary.succeeded)
    }

    @Test func `a run has its time`() async throws {
        let clock = ManualClock()
        let fixture = try QueueFixture(environment: clock.environment)
        defer { fixture.remove() }
        var options = RunnerOptions()
        options.maxTime = .seconds(100)
        let start = clock.seconds
        let worker = runner(fixture.queue, StubEngine(), options, clock: clock.runnerClock)
        let summary = try await clock.run { try await worker.run() }
        #expect(summary.reason == .maxTime)
        #expect((100..<130).contains(clock.seconds - start))
    }

    @Test func `a worker without work ends after its patience, and not while it has some`()
        async throws
    {
        let clock = ManualClock()
        let fixture = try QueueFixture(environment: clock.environment)
        defer { fixture.remove() }
        try await fixture.enqueue(1)
        let ended = Mutex<Double>(0)
        let engine = StubEngine(answer: { _, input in
            let end = clock.seconds + 200
            while clock.seconds < end { try await Task.sleep(for: .milliseconds(1)) }
            ended.withLock { $0 = clock.seconds }
            return input
        })
        var options = RunnerOptions()
        options.idleExit = .seconds(60)
        let worker = runner(fixture.queue, engine, options, clock: clock.runnerClock)
        let summary = try await clock.run { try await worker.run() }
        #expect(summary.reason == .idle && summary.succeeded == 1)
        #expect(clock.seconds - ended.withLock { $0 } >= 60)
    }

    @Test func `nothing is claimed where there is no room for answers`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        try await fixture.enqueueGroup(2)
        let free = Mutex<Int64>(600 << 20)
        var options = RunnerOptions.quick
        options.group = 1
        options.queueFolder = fixture.folder.path
        options.freeBytes = { _ in free.withLock { $0 } }
        let engine = StubEngine(answer: { _, input in
            free.withLock { $0 = 511 << 20 }
            return input
        })
        let prepared = options
        let error = await #expect(throws: QueueError.self) {
            // Nothing is claimed beside the first: it is gone before that.
            free.withLock { $0 = 511 << 20 }
            _ = try await runner(fixture.queue, engine, prepared).run()
        }
        #expect(error?.kind == .full)
        #expect(error?.message.contains("511 MiB free, expected at least 512 MiB") == true)
        #expect(try await fixture.states() == [.queued, .queued])
        options.minFree = 0
        #expect(try await runner(fixture.queue, engine, options).run().succeeded == 2)
    }

    @Test func `free room is what statvfs says`() throws {
        let bytes = try #require(FreeSpace.bytes(at: NSTemporaryDirectory()))
        let facts = try FileManager.default.attributesOfFileSystem(
            forPath: NSTemporaryDirectory())
        let free = try #require(facts[.systemFreeSize] as? NSNumber).int64Value
        // Others write meanwhile; what only root may use counts in one of them.
        #expect(bytes > 0 && bytes < free + 64 << 20)
        #expect(FreeSpace.bytes(at: "/no/such/folder") == nil)
    }

    @Test func `an engine that hangs costs its job a timeout, and ends the run`() async throws {
        let clock = ManualClock()
        let fixture = try QueueFixture(environment: clock.environment)
        defer { fixture.remove() }
        let ids = try await fixture.enqueueGroup(3, maxAttempts: 1, timeout: .seconds(20))
        try await fixture.enqueueGroup(1, video: "next")
        let mayEnd = Latch<Void>()
        defer { mayEnd.set(()) }
        let engine = StubEngine(answer: { _, input in
            // Deep in a computation that sees no cancellation.
            if input == "2" { await Task.detached { _ = await mayEnd.wait() }.value }
            return input
        })
        let options = RunnerOptions()
        let start = clock.seconds
        let worker = runner(fixture.queue, engine, options, clock: clock.runnerClock)
        let summary = try await clock.run { try await worker.run() }
        #expect(summary.reason == .hung)
        #expect((summary.succeeded, summary.failed, summary.interrupted) == (1, 1, 2))
        #expect(clock.seconds - start < 20 + 60 + 60)
        #expect(try await fixture.states() == [.succeeded, .failed, .queued, .queued])
        let job = try #require(try await fixture.queue.show(ids[1]))
        #expect(job.job.errorClass == .timeout)
        #expect(try await fixture.queue.show(ids[2])?.job.attemptsMade == 0)
    }

    @Test func `a decoder that hangs is killed, and the next video has another`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let pids = fixture.folder.path + "/pids"
        let clip = FrameSourceTests.clip
        let file = try ContentIdentity.ofFile(clip)
        let model = try ModelReference(nil)
        let jobs = [8, 9].map { frames in
            var options = AnalysisOptions()
            options.frames = frames
            return NewJob(
                video: VideoRecord(
                    contentID: file.id, path: clip, sizeBytes: file.sizeBytes,
                    mtimeNanoseconds: file.mtimeNanoseconds),
                config: model.configuration(options), question: "?", maxAttempts: 1,
                timeout: .seconds(1))
        }
        _ = try await fixture.queue.enqueue(
            BatchSpec(name: "test", source: "-", specJSON: "{}"), jobs)
        let sampler = SamplerProcess(
            executable: "/bin/sh", arguments: ["-c", "echo $$ >> '\(pids)'; exec sleep 1000"])
        let engine = LongVAEngine(sampler: sampler, model: EngineActor(device: "cpu"))
        let summary = try await JobRunner(
            queue: fixture.queue, engine: engine,
            worker: .current(device: "cpu", version: "test"), options: .quick
        ).run()
        await sampler.shutDown()
        #expect(summary.failed == 2)
        let rows = try await fixture.queue.list(JobSelection(), limit: 9)
        #expect(rows.map(\.errorClass) == [.timeout, .timeout])
        let children = try String(contentsOfFile: pids, encoding: .utf8).split(separator: "\n")
            .compactMap { Int32($0) }
        #expect(Set(children).count == 2)
        for child in children { #expect(kill(child, 0) != 0 && errno == ESRCH) }
    }

    @Test func `the pace is that of nine in ten recent jobs`() {
        var pace = JobPace()
        #expect(pace.p90 == nil)
        pace.add(.seconds(5))
        #expect(pace.p90 == .seconds(5))
        for second in 1...10 { pace.add(.seconds(second)) }
        // 1 to 10 and 5: the tenth of eleven.
        #expect(pace.p90 == .seconds(9))
        for _ in 0..<JobPace.window { pace.add(.seconds(1)) }
        #expect(pace.p90 == .seconds(1))
    }
}
