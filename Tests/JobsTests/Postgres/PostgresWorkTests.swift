import Foundation
import QueueTestSupport
import Synchronization
import Testing

@testable import Jobs

extension PostgresTests {
    @Suite struct Work {
        @Test func `a job goes from enqueue to its answer`() async throws {
            let test = try PostgresTestQueue()
            let ids = try await test.enqueue(2) {
                $0.choices = ["one", "two"]
                $0.expected = "two"
                $0.timeout = .milliseconds(1500)
                $0.maxAttempts = 7
                $0.video.codec = "h264"
                $0.video.framesPerSecond = 29.97
            }
            let worker = try await test.worker()
            let claim = try await test.claim(worker)
            #expect(claim.job == ids[0] && claim.number == 1 && claim.maxAttempts == 7)
            #expect(claim.batch == "night" && claim.question == "How many cars?")
            #expect(claim.choices == ["one", "two"] && claim.expected == "two")
            #expect(claim.timeout == .milliseconds(1500))
            #expect(claim.video.codec == "h264" && claim.video.framesPerSecond == 29.97)
            #expect(claim.leaseUntil == Date(milliseconds: test.clock.now + 60_000))
            #expect(try await test.queue.start(claim.attempt))
            test.clock.advance(seconds: 5)
            let live = LiveAttempt(claim.attempt, progress: 0.5, stage: "prefill")
            let replies = try await test.queue.heartbeat(
                worker, [live, LiveAttempt(77)], lease: .seconds(60))
            let end = Date(milliseconds: test.clock.now + 60_000)
            #expect(replies == [claim.attempt: .ok(leaseUntil: end), 77: .lost])
            let row = try await test.queue.show(claim.job)?.job
            #expect(row?.progress == 0.5 && row?.stage == "prefill" && row?.state == .running)
            #expect(try await test.queue.complete(claim.attempt, .sample("B")) == .stored)
            #expect(try await test.queue.complete(claim.attempt, .sample("B")) == .alreadyStored)
            #expect(try await test.queue.show(claim.job)?.answer == .sample("B"))
            let result = try await test.queue.results(JobSelection(), limit: nil)
            #expect(result.count == 1 && result[0]["tau"] == .real(0.975))
            #expect(result[0]["warnings"] == .text("frame 3 missing; frame 9 missing"))
            let second = try await test.claim(worker)
            #expect(second.job == ids[1])
            #expect(try await test.queue.release(second.attempt, reason: "stop") == .stored)
            #expect(try await test.queue.release(second.attempt, reason: "stop") == .alreadyStored)
            let third = try await test.claim(worker)
            #expect(third.job == ids[1] && third.number == 1)
            let failed = try await test.queue.fail(
                third.attempt, .sample(.internal),
                retryAt: Date(milliseconds: test.clock.now + 9000))
            #expect(failed == .stored)
            #expect(try await test.queue.complete(third.attempt, .sample("C")) == .leaseLost)
            #expect(
                try await test.queue.claim(worker, filter: ClaimFilter(), lease: .seconds(9)) == nil
            )
            test.clock.advance(seconds: 9)
            let fourth = try await test.claim(worker)
            #expect(fourth.number == 2)
            _ = try await test.queue.fail(fourth.attempt, .sample(.input), retryAt: Date())
            #expect(try await test.queue.show(ids[1])?.job.errorCode == "broken")
            #expect(try await test.queue.status(batch: nil).first?.failed == 1)
            #expect(try await test.queue.check().allSatisfy { $0.level == .ok })
            #expect(try await test.queue.metrics().attempts["failed"] == 2)
        }

        @Test func `eight claimers get each job once`() async throws {
            let test = try PostgresTestQueue()
            let ids = try await test.enqueue(400)
            let taken = try await withThrowingTaskGroup(of: [JobID].self) { group in
                for _ in 0..<8 {
                    let queue = try test.another()
                    let worker = try await test.worker(queue)
                    group.addTask {
                        var taken: [JobID] = []
                        while true {
                            let claims = try await queue.claim(
                                worker, filter: ClaimFilter(), limit: 3, lease: .seconds(60))
                            if claims.isEmpty { return taken }
                            for claim in claims {
                                taken.append(claim.job)
                                let finish = try await queue.complete(claim.attempt, .sample("x"))
                                #expect(finish == .stored)
                            }
                        }
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(taken.sorted() == ids)
            #expect(try test.database.value("SELECT count(*) FROM answers") == "400")
        }

        @Test func `a dead worker's job that was locked just now is taken back at the next look`()
            async throws
        {
            let test = try PostgresTestQueue()
            let jobs = try await test.enqueue(2)
            let worker = try await test.worker()
            for _ in jobs { _ = try await test.claim(worker) }
            _ = test.queue.locks.withLock { $0.removeValue(forKey: worker) }
            let other = try PostgresDatabase.Session(test.database)
            _ = try other.execute(
                "BEGIN; SELECT FROM zipvl.jobs WHERE job_id = \(jobs[0]) FOR UPDATE")
            #expect(try await test.queue.rescue().map(\.job) == [jobs[1]])
            _ = try other.execute("ROLLBACK")
            // Its lease has not ended: only the lock tells.
            #expect(try await test.queue.rescue().map(\.job) == [jobs[0]])
        }

        @Test func `a waiting worker hears of new work at once`() async throws {
            let test = try PostgresTestQueue()
            let other = try test.another()
            let worker = try await test.worker()
            // The first wait connects, which counts as news.
            try await test.queue.waitForWork(upTo: .seconds(5))
            for round in 0..<3 {
                #expect(
                    try await test.queue.claim(worker, filter: ClaimFilter(), lease: .seconds(9))
                        == nil
                )
                let clock = ContinuousClock()
                let waiting = Task {
                    try await test.queue.waitForWork(upTo: .seconds(10))
                    return clock.now
                }
                try await Task.sleep(for: .milliseconds(100))
                let jobs = [NewJob.sample(video: round)]
                _ = try await other.enqueue(.sample, jobs)
                let stored = clock.now
                let heard = try await waiting.value
                #expect(stored.duration(to: heard) < .milliseconds(200))
                let claim = try await test.claim(worker)
                _ = try await test.queue.complete(claim.attempt, .sample("x"))
            }
        }
    }
}
