import Foundation
import Testing

@testable import Jobs

@Suite(.serialized) struct PruneConformance {
    private func prune(
        _ test: QueueUnderTest, isDry: Bool = false, _ change: (inout Retention) -> Void = { _ in }
    ) async throws -> PruneReport {
        var retention = Retention(before: Date(milliseconds: test.clock.now))
        change(&retention)
        return try await test.queue.prune(retention, isDry: isDry)
    }

    @Test(arguments: BackendUnderTest.all)
    func `what ended goes, what may still run stays`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            var ids: [JobID] = []
            for (index, state) in JobState.allCases.enumerated() {
                ids.append(try await test.job(in: state, video: index))
            }
            test.clock.advance(seconds: 1)
            let report = try await prune(test) { $0.states = JobState.allCases }
            #expect(report.jobs == 3 && report.answers == 1 && report.attempts == 2)
            #expect(report.videos == 3 && report.configs == 0)
            let left = try await test.queue.list(JobSelection(), limit: 99)
            #expect(left.map(\.state) == [.held, .queued, .running])
            #expect(try await test.queue.results(JobSelection(), limit: nil).isEmpty)
            for id in ids.suffix(3) { #expect(try await test.queue.show(id) == nil) }
            #expect(try await prune(test).jobs == 0)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a rehearsal counts the same and deletes nothing`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            for (index, state) in JobState.allCases.enumerated() {
                _ = try await test.job(in: state, video: index)
            }
            test.clock.advance(seconds: 1)
            let planned = try await prune(test, isDry: true)
            #expect(try await test.queue.list(JobSelection(), limit: 99).count == 6)
            #expect(try await prune(test, isDry: true) == planned)
            #expect(try await prune(test) == planned)
            #expect(try await prune(test, isDry: true) == PruneReport())
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `only what ended before the time goes`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let old = try await test.job(in: .succeeded, video: 0)
            test.clock.advance(seconds: 10)
            let time = test.clock.now
            let atTime = try await test.job(in: .failed, video: 1)
            test.clock.advance(seconds: 10)
            let before = Date(milliseconds: time)
            #expect(try await prune(test) { $0.before = before }.jobs == 1)
            #expect(try await test.queue.show(old) == nil)
            #expect(try await test.state(atTime) == .failed)
        }
    }

    @Test(arguments: BackendUnderTest.all, [JobState.succeeded, .failed, .cancelled])
    func `only the states that were named go`(backend: BackendUnderTest, state: JobState)
        async throws
    {
        try await backend.run { test in
            let final: [JobState] = [.succeeded, .failed, .cancelled]
            for (index, state) in final.enumerated() {
                _ = try await test.job(in: state, video: index)
            }
            test.clock.advance(seconds: 1)
            #expect(try await prune(test) { $0.states = [state] }.jobs == 1)
            let left = try await test.queue.list(JobSelection(), limit: 9).map(\.state)
            #expect(left == final.filter { $0 != state })
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `only the batch that was named goes`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let day = BatchSpec(name: "day", source: "-", specJSON: "{}")
            _ = try await test.queue.enqueue(day, [.sample(video: 5)])
            try await test.enqueue(1)
            _ = try await test.queue.cancel(JobSelection())
            test.clock.advance(seconds: 1)
            let report = try await prune(test) { $0.batch = "day" }
            #expect(report.jobs == 1 && report.batches == 1)
            #expect(try await test.queue.status(batch: nil).map(\.batch) == ["night"])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `what nobody refers to any more goes with the last job`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            let worker = try await test.worker()
            try await test.enqueue([
                .sample(video: 0), .sample(video: 0, question: "And now?"), .sample(video: 1),
            ])
            for _ in 0..<2 {
                let claim = try await test.claim(worker)
                _ = try await test.queue.complete(claim.attempt, .sample("x"))
            }
            try await test.queue.unregister(worker, reason: "drained")
            let living = try await test.worker()
            test.clock.advance(seconds: 1)
            let report = try await prune(test)
            #expect(report.jobs == 2 && report.videos == 1)
            #expect(report.batches == 0 && report.configs == 0 && report.workers == 1)
            _ = try await test.queue.cancel(JobSelection())
            test.clock.advance(seconds: 1)
            let rest = try await prune(test)
            #expect(rest.jobs == 1 && rest.videos == 1 && rest.batches == 1 && rest.configs == 1)
            #expect(rest.workers == 0, "a worker that waits for jobs is none that is gone")
            #expect(try await test.queue.workers().map(\.workerID) == [living])
            #expect(try await test.queue.status(batch: nil).isEmpty)
            try await test.enqueue(1)
            #expect(try await test.claims(living).count == 1)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `old entries of the audit trail go, new ones stay`(backend: BackendUnderTest) async throws
    {
        try await backend.run { test in
            try await test.enqueue(1)
            let dead = try await test.worker()
            _ = try await test.claim(dead)
            try await test.kill(dead)
            _ = try await test.queue.rescue()
            #expect(try await test.queue.metrics().rescued == 1)
            #expect(try await prune(test).events == 0, "it is of this very moment")
            test.clock.advance(seconds: 1)
            #expect(try await prune(test).events == 1)
            #expect(try await test.queue.metrics().rescued == 0)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a question that was pruned may be asked anew`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            _ = try await test.job(in: .succeeded)
            test.clock.advance(seconds: 1)
            _ = try await prune(test)
            let report = try await test.queue.enqueue(.sample, [.sample(video: 0)])
            #expect(report.inserted.count == 1 && report.reused.isEmpty)
        }
    }
}
