import Foundation
import QueueTestSupport
import Testing

@testable import Jobs

/// What may be under way when a connection breaks, and what must have come of it afterwards.
enum PostgresCall: String, CaseIterable, Sendable {
    case register, claim, start, heartbeat, complete, fail, release, noteLog, rescue, readmit
    case enqueue, retry, cancel, hold, prioritize, pause, status, prune, unregister

    /// On which connection.
    var role: String {
        switch self {
        case .heartbeat: "heartbeat"
        case .enqueue, .retry, .cancel, .hold, .prioritize, .pause, .status, .prune: "people"
        default: "work"
        }
    }
}

/// A queue with one job in each state that the calls need.
private struct Prepared: Sendable {
    let test: PostgresTestQueue
    let queue: PostgresQueue
    let worker: WorkerID
    let claim: Claim
    let queued, failed: JobID
    let failedKey: String

    init(_ call: PostgresCall?, _ test: PostgresTestQueue, queue: PostgresQueue) async throws {
        self.test = test
        self.queue = queue
        var jobs = (0..<3).map { NewJob.sample(video: $0) }
        jobs[0].priority = 2
        jobs[1].failure = .sample(.internal)
        let report = try await queue.enqueue(.sample, jobs)
        worker = try await test.worker(queue)
        claim = try #require(
            try await queue.claim(worker, filter: ClaimFilter(), lease: .seconds(60)))
        try #require(claim.job == report.inserted[0])
        queued = report.inserted[1]
        failed = report.rejected[0]
        failedKey = try #require(
            try test.database.value("SELECT dedupe_key FROM jobs WHERE job_id = \(failed)"))
        if call == .rescue {
            // No lock to be seen, and the lease is over.
            try test.database.execute("UPDATE workers SET lock_path = NULL")
            test.clock.advance(seconds: 61)
        }
        // Every connection is made.
        _ = try await queue.heartbeat(worker, [], lease: .seconds(60))
    }

    private func selection(_ job: JobID) -> JobSelection {
        var selection = JobSelection()
        selection.ids = [job...job]
        return selection
    }

    func perform(_ call: PostgresCall) async throws {
        switch call {
        case .register: #expect(try await test.worker(queue) > worker)
        case .claim:
            let claim = try await queue.claim(worker, filter: ClaimFilter(), lease: .seconds(60))
            #expect(claim?.job == queued)
            #expect(try await queue.complete(try #require(claim).attempt, .sample("x")) == .stored)
        case .start: #expect(try await queue.start(claim.attempt))
        case .heartbeat:
            let replies = try await queue.heartbeat(
                worker, [LiveAttempt(claim.attempt)], lease: .seconds(60))
            #expect(replies.count == 1 && replies[claim.attempt] != .lost)
        case .complete:
            #expect(try await queue.complete(claim.attempt, .sample("x")) != .leaseLost)
        case .fail:
            let end = try await queue.fail(claim.attempt, .sample(.internal), retryAt: nil)
            #expect(end != .leaseLost)
        case .release:
            #expect(try await queue.release(claim.attempt, reason: "stop") != .leaseLost)
        case .noteLog: try await queue.noteLog(claim.attempt, path: "/logs/1")
        case .rescue:
            #expect(try await queue.rescue().map(\.job) == [claim.job])
        case .readmit:
            let line = JournalledAnswer(
                job: failed, attempt: 0, dedupeKey: failedKey, answer: .sample("x"),
                writtenAtMS: 5)
            #expect(try await queue.readmit(line) == .stored)
        case .enqueue:
            let jobs = (10..<13).map { NewJob.sample(video: $0) }
            let report = try await queue.enqueue(.sample, jobs)
            #expect(report.inserted.count == 3 && report.reused.isEmpty)
        case .retry: #expect(try await queue.retry(selection(failed)) == 1)
        case .cancel: #expect(try await queue.cancel(selection(queued)) == 1)
        case .hold: #expect(try await queue.hold(selection(queued)) == 1)
        case .prioritize:
            #expect(try await queue.prioritize(selection(queued), priority: 7) == 1)
        case .pause: try await queue.pause(queue: "default")
        case .status: #expect(try await queue.status(batch: nil).first?.running == 1)
        case .prune:
            let report = try await queue.prune(
                Retention(before: Date(milliseconds: test.clock.now + 1)), isDry: false)
            #expect(report.jobs == 1)
        case .unregister: try await queue.unregister(worker, reason: "end")
        }
    }

    /// What must be in order whatever has happened.
    func verify(_ call: PostgresCall) throws {
        let database = test.database
        #expect(
            try database.value(
                """
                SELECT count(*) FROM jobs j LEFT JOIN attempts t ON t.attempt_id = j.attempt_id
                WHERE (j.state = 'running') <> (t.attempt_id IS NOT NULL AND t.ended_at_ms IS NULL)
                """) == "0")
        #expect(
            try database.value(
                """
                SELECT count(*) FROM attempts t WHERE t.ended_at_ms IS NULL AND NOT EXISTS (
                    SELECT FROM jobs j WHERE j.attempt_id = t.attempt_id)
                """) == "0")
        let attempts = call == .claim || call == .readmit ? "2" : "1"
        #expect(try database.value("SELECT count(*) FROM attempts") == attempts)
        let workers = call == .register || call == .readmit ? "2" : "1"
        #expect(try database.value("SELECT count(*) FROM workers") == workers)
        let jobs = call == .enqueue ? "6" : call == .prune ? "2" : "3"
        #expect(try database.value("SELECT count(*) FROM jobs") == jobs)
    }
}

extension PostgresTests {
    @Suite struct Fault {
        @Test(arguments: PostgresCall.allCases)
        func `a server process that is killed in a call costs nothing`(call: PostgresCall)
            async throws
        {
            let test = try PostgresTestQueue()
            let prepared = try await Prepared(call, test, queue: test.queue)
            // The call gets stuck at a lock; there its server process is killed.
            let lock = try PostgresDatabase.Session(test.database)
            try lock.execute(
                "BEGIN; LOCK TABLE zipvl.jobs, zipvl.workers, zipvl.queues, zipvl.attempts")
            let running = Task { try await prepared.perform(call) }
            let stuck = """
                FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                AND application_name = 'zipvl-batch \(call.role)'
                """
            let patience = ContinuousClock.now + .seconds(4)
            while try test.database.value("SELECT count(*) \(stuck)") == "0",
                ContinuousClock.now < patience
            { try await Task.sleep(for: .milliseconds(10)) }
            #expect(
                try test.database.value("SELECT count(pg_terminate_backend(pid, 5000)) \(stuck)")
                    == "1"
            )
            try lock.execute("ROLLBACK")
            try await running.value
            try prepared.verify(call)
        }

        @Test(arguments: PostgresCall.allCases, [PostgresProxy.Fault.loseReply, .loseRequest])
        func `a connection that breaks in a call costs nothing`(
            call: PostgresCall, fault: PostgresProxy.Fault
        ) async throws {
            let test = try PostgresTestQueue()
            let proxy = try PostgresProxy(to: test.database.server)
            let queue = try test.another(by: proxy)
            let prepared = try await Prepared(call, test, queue: queue)
            let isCommitted = call.role == "people" || call == .rescue || call == .readmit
            proxy.arm(fault, at: isCommitted ? "COMMIT" : "")
            try await prepared.perform(call)
            #expect(proxy.count == 1)
            try prepared.verify(call)
        }

        @Test func `a server that falls silent ends the call, and what it did is found again`()
            async throws
        {
            let test = try PostgresTestQueue()
            let proxy = try PostgresProxy(to: test.database.server)
            let queue = try test.another(by: proxy) { $0.callLimit = .seconds(2) }
            let ids = try await test.enqueue(3)
            let worker = try await test.worker(queue)
            let first = try await queue.claim(worker, filter: ClaimFilter(), lease: .seconds(60))

            let clock = ContinuousClock()
            var began = clock.now
            proxy.arm(.silentReply)
            var kind = await errorKind {
                _ = try await queue.claim(worker, filter: ClaimFilter(), lease: .seconds(60))
            }
            #expect(kind == .unavailable)
            #expect(began.duration(to: clock.now) < .seconds(4))
            #expect(
                try test.database.value("SELECT count(*) FROM jobs WHERE state = 'running'") == "2")
            // The claim of before, not a third one.
            let second = try await queue.claim(worker, filter: ClaimFilter(), lease: .seconds(60))
            #expect(second?.job == ids[1])
            #expect(try test.database.value("SELECT count(*) FROM attempts") == "2")

            let attempts = (try #require(first).attempt, try #require(second).attempt)
            // What is prepared on a connection is one request from then on.
            #expect(try await queue.complete(attempts.0, .sample("x")) == .stored)
            began = clock.now
            proxy.arm(.silentReply)
            kind = await errorKind { _ = try await queue.complete(attempts.1, .sample("x")) }
            #expect(kind == .unavailable)
            #expect(began.duration(to: clock.now) < .seconds(4))
            #expect(try await queue.complete(attempts.1, .sample("x")) == .alreadyStored)

            let third = try await queue.claim(worker, filter: ClaimFilter(), lease: .seconds(60))
            let attempt = try #require(third).attempt
            proxy.arm(.silence)
            kind = await errorKind {
                _ = try await queue.complete(attempt, .sample("y"))
            }
            #expect(kind == .unavailable)
            #expect(try await queue.complete(attempt, .sample("y")) == .stored)
            #expect(try test.database.value("SELECT count(*) FROM answers") == "3")
        }

        @Test func `answers that were acknowledged outlive a crash of the server`() async throws {
            let server = try PostgresServer(options: "")
            let test = try PostgresTestQueue(on: server)
            let ids = try await test.enqueue(60)
            let worker = try await test.worker()
            var acknowledged: Set<JobID> = []
            for round in 0..<3 {
                for claim in try await test.queue.claim(
                    worker, filter: ClaimFilter(), limit: 1, lease: .seconds(60))
                {
                    #expect(try await test.queue.complete(claim.attempt, .sample("x")) == .stored)
                    acknowledged.insert(claim.job)
                }
                let busy = Task {
                    var done: [JobID] = []
                    while let claim = try? await test.queue.claim(
                        worker, filter: ClaimFilter(), lease: .seconds(60)),
                        (try? await test.queue.complete(claim.attempt, .sample("x"))) != nil
                    {
                        done.append(claim.job)
                    }
                    return done
                }
                try await Task.sleep(for: .milliseconds(30 * (round + 1)))
                try server.stop("immediate")
                acknowledged.formUnion(await busy.value)
                try server.start()
                let stored = try test.database.execute("SELECT job_id FROM answers")
                    .compactMap { $0[0].flatMap { JobID($0) } }
                #expect(acknowledged.subtracting(stored).isEmpty)
                #expect(stored.count == Set(stored).count)
            }
            #expect(acknowledged.count > 3)
            // The same object goes on; what was in hand at a crash is given out again or still held.
            while let claim = try await test.queue.claim(
                worker, filter: ClaimFilter(), lease: .seconds(60))
            {
                _ = try await test.queue.complete(claim.attempt, .sample("x"))
            }
            let left = try test.database.value("SELECT count(*) FROM jobs WHERE state = 'queued'")
            #expect(left == "0")
            #expect(ids.count == 60)
        }

        @Test func `a claim whose transaction was cut off is undone`() async throws {
            let test = try PostgresTestQueue()
            try await test.enqueue(2)
            try test.database.execute("UPDATE queues SET max_running = 1")
            let proxy = try PostgresProxy(to: test.database.server)
            let queue = try test.another(by: proxy)
            let worker = try await test.worker(queue)
            // With a limit a claim is a transaction of several statements.
            for fault in [PostgresProxy.Fault.loseReply, .loseRequest] {
                proxy.arm(fault, at: "COMMIT")
                let claim = try await queue.claim(
                    worker, filter: ClaimFilter(), lease: .seconds(60))
                #expect(
                    try await queue.complete(try #require(claim).attempt, .sample("x")) == .stored)
            }
            #expect(proxy.count == 2)
            #expect(try test.database.value("SELECT count(*) FROM attempts") == "2")
        }
    }
}
