import Foundation
import Testing

@testable import Jobs

@Suite(.serialized) struct CareConformance {
    @Test(arguments: BackendUnderTest.all)
    func `status tells the stored and the derived states apart`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            for (index, state) in JobState.allCases.enumerated() where state != .queued {
                _ = try await test.job(in: state, video: index)
            }
            let again = try await test.claim(
                try await { [test] in
                    try await test.enqueue([.sample(video: 20)])
                    return try await test.worker()
                }())
            _ = try await test.queue.fail(
                again.attempt, .sample(.internal), retryAt: test.soon)
            var later = NewJob.sample(video: 21)
            later.runAt = test.soon
            try await test.enqueue([later, .sample(video: 22), .sample(video: 23)])
            let status = try await test.status()
            #expect(status.held == 1 && status.running == 1 && status.orphaned == 0)
            #expect(status.succeeded == 1 && status.failed == 1 && status.cancelled == 1)
            #expect(status.ready == 2 && status.scheduled == 1 && status.retrying == 1)
            test.clock.advance(seconds: 61)
            let after = try await test.status()
            #expect(after.ready == 3 && after.scheduled == 0 && after.retrying == 1)
            #expect(after.running == 0 && after.orphaned == 1)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `batches of one name are counted together, in the order of their names' first`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            for (index, name) in ["night", "day", "night", "a"].enumerated() {
                let spec = BatchSpec(name: name, source: "-", specJSON: "{}")
                _ = try await test.queue.enqueue(spec, [.sample(video: index)])
            }
            let all = try await test.queue.status(batch: nil)
            #expect(all.map(\.batch) == ["night", "day", "a"] && all.map(\.ready) == [2, 1, 1])
            #expect(try await test.queue.status(batch: "day").map(\.ready) == [1])
            #expect(try await test.queue.status(batch: "week").isEmpty)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `results have a row an answer, with what people ask for`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            let ids = try await test.enqueue(3) {
                $0.customID = "c"
                $0.expected = "two"
            }
            let worker = try await test.farWorker()
            for _ in 0..<2 {
                let claim = try await test.claim(worker)
                _ = try await test.queue.complete(claim.attempt, .sample("two"))
            }
            let rows = try await test.queue.results(JobSelection(), limit: nil)
            #expect(rows.map { $0["job_id"] } == [.integer(ids[0]), .integer(ids[1])])
            let expected: [(String, ResultRow.Value)] = [
                ("job_id", .integer(ids[0])), ("batch", .text("night")), ("custom_id", .text("c")),
                ("video", .text("/videos/0.mp4")), ("question", .text("How many cars?")),
                ("answer", .text("two")), ("choice", .text("B")), ("expected", .text("two")),
                ("correct", .integer(1)), ("model", .text("embedded")), ("method", .text("zipvl")),
                ("tau", .real(0.975)), ("ffn", .text("all")), ("kv", .text("discard")),
                ("premerge", .text("none")), ("frames_used", .integer(64)),
                ("visual_tokens", .integer(9216)), ("prompt_tokens", .integer(9300)),
                ("output_tokens", .integer(12)), ("kept_token_ratio_mean", .real(0.25)),
                ("attn_flops_dense", .real(4e14)), ("attn_flops_used", .real(1e14)),
                ("attn_flops_saved_pct", .real(75)), ("attn_flops_saved_pct_paper", .real(93.75)),
                ("llm_flops_dense", .real(8e15)), ("llm_flops_used", .real(5e15)),
                ("kv_cache_bytes_dense", .integer(1000)), ("kv_cache_bytes_used", .integer(250)),
                ("kv_cache_saved_pct", .real(75)), ("peak_host_mib", .real(3)),
                ("peak_device_mib", .real(2.5)), ("decode_video_ms", .real(1)),
                ("vision_ms", .real(2)), ("prefill_ms", .real(3)), ("generate_ms", .real(4)),
                ("total_ms", .real(11.5)),
                ("warnings", .text("frame 3 missing; frame 9 missing")),
                ("finished_at", .text("2023-11-14T22:13:20.000Z")), ("host", .text("elsewhere")),
                ("device", .text("cuda:0")), ("attempts_made", .integer(1)),
                ("options_json", .text(ConfigRecord.sample.optionsJSON)),
                ("sampling", .text("time")), ("substituted_frames", .text("[[1,3,2],[4,9,10]]")),
            ]
            let found = try #require(rows.first).columns
            #expect(found.map(\.name) == expected.map(\.0))
            for ((name, value), wanted) in zip(found, expected) {
                #expect(value == wanted.1, "column \(name)")
            }
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `results keep to their selection and limit`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let ids = try await test.enqueue(4) { $0.customID = $0.video.contentID }
            let worker = try await test.worker()
            for _ in ids {
                _ = try await test.queue.complete(
                    try await test.claim(worker).attempt, .sample("x"))
            }
            func found(_ selection: JobSelection, _ limit: Int? = nil) async throws -> [JobID] {
                try await test.queue.results(selection, limit: limit).compactMap {
                    guard case .integer(let id) = $0["job_id"] else { return nil }
                    return id
                }
            }
            #expect(try await found(JobSelection()) == ids)
            #expect(try await found(JobSelection(), 2) == Array(ids[..<2]))
            #expect(try await found(JobSelection(), 0).isEmpty)
            #expect(try await found(.with { $0.customID = "sha256:2" }) == [ids[2]])
            #expect(try await found(.with { $0.batch = "day" }).isEmpty)
            #expect(try await found(.with { $0.states = [.failed] }).isEmpty)
        }
    }

    // MARK: Metrics

    @Test(arguments: BackendUnderTest.all)
    func `metrics of an empty queue are zero`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let metrics = try await test.queue.metrics()
            #expect(metrics.jobs.isEmpty && metrics.attempts.isEmpty && metrics.rescued == 0)
            #expect(metrics.durationBuckets == [Int](repeating: 0, count: 12))
            #expect(metrics.durationSumSeconds == 0 && metrics.attnFLOPsDense == 0)
            #expect(metrics.peakDeviceBytes == nil && metrics.oldestQueuedSeconds == nil)
            #expect(metrics.lastSuccess == nil && metrics.workersUp == 0)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `metrics count jobs, attempts, answers and workers`(backend: BackendUnderTest) async throws
    {
        try await backend.run { test in
            try await test.enqueue(6)
            try await test.enqueue([.sample(video: 7)].map(inOther))
            let worker = try await test.worker()
            test.clock.advance(seconds: 2)
            // 1 s is in the first bucket, a little more in the second, two hours in the last.
            for (index, milliseconds) in [1000, 1001, 7_200_000].enumerated() {
                var answer = Answer.sample("x")
                answer.totalMS = Double(milliseconds)
                answer.peakDeviceBytes = index == 1 ? nil : Int64(index + 1) << 30
                let claim = try await test.claim(worker)
                _ = try await test.queue.complete(claim.attempt, answer)
            }
            let failed = try await test.claim(worker)
            _ = try await test.queue.fail(failed.attempt, .sample(.timeout), retryAt: nil)
            let done = test.clock.now
            test.clock.advance(seconds: 3)
            let dead = try await test.farWorker()
            _ = try await test.claim(dead)
            test.clock.advance(seconds: 61)
            _ = try await test.queue.rescue()
            test.clock.advance(seconds: 4)

            let metrics = try await test.queue.metrics()
            let counts = Set(metrics.jobs.map { "\($0.queue) \($0.state) \($0.count)" })
            #expect(
                counts == [
                    "default succeeded 3", "default failed 1", "default queued 2",
                    "other queued 1",
                ])
            #expect(metrics.attempts == ["succeeded": 3, "timeout": 1, "crashed": 1])
            #expect(metrics.rescued == 1 && metrics.workersUp == 2)
            #expect(metrics.durationBuckets == [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
            #expect(abs(metrics.durationSumSeconds - 7202.001) < 1e-6)
            #expect(metrics.attnFLOPsDense == 12e14 && metrics.attnFLOPsUsed == 3e14)
            #expect(metrics.peakDeviceBytes == 3 << 30)
            #expect(metrics.lastSuccess == Date(milliseconds: done))
            #expect(metrics.oldestQueuedSeconds == 70, "queued at the start, 70 s ago")
        }
    }

    private func inOther(_ job: NewJob) -> NewJob {
        var job = job
        job.queue = "other"
        return job
    }

    // MARK: Doctor, backup

    @Test(arguments: BackendUnderTest.all)
    func `a sound queue has no error to tell of`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            _ = try await test.job(in: .succeeded)
            let findings = try await test.queue.check()
            #expect(!findings.isEmpty && findings.allSatisfy { $0.level != .error })
            #expect(findings.allSatisfy { !$0.subject.isEmpty && !$0.detail.isEmpty })
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `waiting for work ends at its time`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let start = ContinuousClock.now
            try await test.queue.waitForWork(upTo: .milliseconds(50))
            #expect(ContinuousClock.now - start < .seconds(5))
        }
    }
}
