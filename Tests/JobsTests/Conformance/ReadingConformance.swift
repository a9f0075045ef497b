import Foundation
import Testing

@testable import Jobs

@Suite(.serialized) struct ReadingConformance {
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
