import Foundation
import Testing

@testable import Jobs

@Suite(.serialized) struct DrainConformance {
    @Test(arguments: BackendUnderTest.all)
    func `a queue is drained when nothing can come to a worker of the filter any more`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            let filters = [
                "all": ClaimFilter(), "queue": ClaimFilter(queues: ["a"]),
                "queues": ClaimFilter(queues: ["none", "b"]),
                "model": ClaimFilter(modelSHA256: "m1"), "other": ClaimFilter(modelSHA256: "m9"),
                "both": ClaimFilter(queues: ["a"], modelSHA256: "m9"),
            ]
            func busy() async throws -> Set<String> {
                var busy: Set<String> = []
                for (name, filter) in filters where try await !test.queue.isDrained(filter) {
                    busy.insert(name)
                }
                return busy
            }
            #expect(try await busy() == [])

            let soon = Date(milliseconds: test.clock.now + 1000)
            try await test.enqueue(1) { $0.queue = "a" }
            var later = NewJob.sample(video: 7)
            later.queue = "b"
            later.runAt = soon
            try await test.enqueue([later])
            #expect(try await busy() == ["all", "queue", "model"], "b's job is for later")
            test.clock.advance(seconds: 1)
            #expect(try await busy() == ["all", "queue", "queues", "model"])

            let worker = try await test.worker()
            func claim() async throws -> Claim {
                try #require(
                    try await test.claims(worker, limit: 1, filter: ClaimFilter(queues: ["a"]))
                        .first)
            }
            let first = try await claim()
            #expect(try await busy().contains("queue"), "it runs, and its worker may die")
            _ = try await test.queue.fail(
                first.attempt, .sample(.resource), retryAt: soon.addingTimeInterval(3600))
            #expect(try await busy().contains("queue"), "it will be tried again")
            test.clock.advance(seconds: 7200)
            let again = try await claim()
            _ = try await test.queue.complete(again.attempt, .sample("yes"))
            #expect(try await busy() == ["all", "queues", "model"])

            let jobs = try await test.queue.list(.with { $0.states = [.queued] }, limit: 9)
            #expect(try await test.queue.hold(.job(jobs[0].jobID)) == 1)
            #expect(try await busy() == [], "held jobs are not waited for")
        }
    }
}
