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

    @Test(arguments: BackendUnderTest.all)
    func `attempts and videos of a selection are those that each job shows`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            let jobs = try await test.enqueue(4)
            let worker = try await test.worker()
            for _ in 0..<2 {
                let claim = try await test.claim(worker)
                _ = try await test.queue.start(claim.attempt)
                try await test.queue.noteLog(claim.attempt, path: "/logs/\(claim.job)")
                let retryAt = Date(milliseconds: test.clock.now + 1)
                _ = try await test.queue.fail(claim.attempt, .sample(.timeout), retryAt: retryAt)
            }
            test.clock.advance(seconds: 1)
            for _ in 0..<4 { _ = try await test.claim(worker) }
            let selection = JobSelection.with { $0.ids = [jobs[0]...jobs[2]] }
            let attempts = try await test.queue.attempts(selection)
            var shown: [AttemptRow] = []
            for job in jobs.prefix(3) {
                let detail = try #require(try await test.queue.show(job))
                #expect(detail.attempts.allSatisfy { $0.jobID == job && $0.device == "cpu" })
                shown += detail.attempts
            }
            shown.sort { $0.attemptID < $1.attemptID }
            #expect(attempts.count == 5)
            #expect(attempts.map { "\($0)" } == shown.map { "\($0)" })
            #expect(attempts[0].logPath == "/logs/\(jobs[0])" && attempts[0].begunAt != nil)

            let videos = try await test.queue.videos(selection)
            #expect(Set(videos.keys) == Set(jobs.prefix(3)))
            for (index, job) in jobs.prefix(3).enumerated() {
                let expected = NewJob.sample(video: index).video
                let video = try #require(videos[job])
                #expect("\(video)" == "\(expected)")
            }
        }
    }
}
