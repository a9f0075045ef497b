import Foundation
import Testing

@testable import Jobs

@Suite(.serialized) struct ClaimConformance {
    @Test(arguments: BackendUnderTest.all)
    func `claims go by priority, then time, then id, over all queues`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            let now = test.clock.now
            var jobs = (0..<7).map { NewJob.sample(video: $0) }
            jobs[0].queue = "fourth"
            jobs[1].priority = 5
            jobs[2].runAt = Date(milliseconds: now - 1000)
            jobs[2].queue = "other"
            jobs[4].priority = -1
            jobs[5].priority = 5
            jobs[5].queue = "third"
            jobs[6].runAt = Date(milliseconds: now - 1000)
            let ids = try await test.enqueue(jobs)
            let order = try await test.drain(try await test.worker())
            #expect(order == [1, 5, 2, 6, 0, 3, 4].map { ids[$0] })
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a job of later is claimed from its time on, whatever its priority`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            let runAt = Date(milliseconds: test.clock.now + 2000)
            let ids = try await test.enqueue(2) {
                if $0.video.contentID == "sha256:0" {
                    $0.runAt = runAt
                    $0.priority = 1000
                }
            }
            let worker = try await test.worker()
            #expect(try await test.drain(worker) == [ids[1]])
            test.clock.advance(seconds: 1)
            #expect(try await test.drain(worker).isEmpty)
            test.clock.advance(seconds: 1)
            #expect(try await test.drain(worker) == [ids[0]])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a worker claims from the queues it names`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            var jobs = (0..<4).map { NewJob.sample(video: $0) }
            jobs[1].queue = "a"
            jobs[2].queue = "b"
            jobs[3].queue = "b"
            let ids = try await test.enqueue(jobs)
            let worker = try await test.worker()
            #expect(try await test.drain(worker, filter: ClaimFilter(queues: ["none"])).isEmpty)
            #expect(
                try await test.drain(worker, filter: ClaimFilter(queues: ["b"])) == [
                    ids[2], ids[3],
                ]
            )
            #expect(
                try await test.drain(worker, filter: ClaimFilter(queues: ["a", "default"]))
                    == [ids[0], ids[1]])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a worker claims jobs of its model only`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let ids = try await test.enqueue(2) {
                if $0.video.contentID == "sha256:0" {
                    $0.priority = 9
                    $0.config.fingerprint = "f2"
                    $0.config.modelSHA256 = "m2"
                }
            }
            let worker = try await test.worker()
            let stranger = ClaimFilter(modelSHA256: "m3")
            #expect(try await test.drain(worker, filter: stranger).isEmpty)
            let mine = ClaimFilter(modelSHA256: "m1")
            #expect(try await test.drain(worker, filter: mine) == [ids[1]])
            #expect(try await test.drain(worker) == [ids[0]])
        }
    }

    @Test(
        arguments: BackendUnderTest.all, [JobState.held, .running, .succeeded, .failed, .cancelled])
    func `only a queued job is claimed`(backend: BackendUnderTest, state: JobState) async throws {
        try await backend.run { test in
            _ = try await test.job(in: state)
            #expect(try await test.drain(try await test.worker()).isEmpty)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a paused queue gives nothing until it is resumed, others go on`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            let ids = try await test.enqueue(2) {
                if $0.video.contentID == "sha256:0" {
                    $0.queue = "a"
                    $0.priority = 9
                }
            }
            let worker = try await test.worker()
            try await test.queue.pause(queue: "a")
            try await test.queue.pause(queue: "a")
            #expect(try await test.drain(worker) == [ids[1]])
            #expect(try await test.drain(worker, filter: ClaimFilter(queues: ["a"])).isEmpty)
            try await test.queue.resume(queue: "a")
            #expect(try await test.drain(worker) == [ids[0]])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a queue runs no more jobs at a time than it may`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            try await test.enqueue(4)
            try await test.limit("default", 2)
            let worker = try await test.worker()
            let first = try await test.claim(worker)
            #expect(try await test.drain(worker).count == 1)
            _ = try await test.queue.complete(first.attempt, .sample("done"))
            #expect(try await test.drain(worker).count == 1, "there is room for one again")
            try await test.limit("default", nil)
            #expect(try await test.drain(worker).count == 1)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a group does not take more jobs than its queue has room for`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            _ = try await test.enqueueGroup(5)
            try await test.limit("default", 3)
            let worker = try await test.worker()
            let first = try await test.claims(worker, limit: 5)
            try #require(first.count == 3)
            #expect(try await test.claims(worker, limit: 5).isEmpty)
            _ = try await test.queue.complete(first[0].attempt, .sample("done"))
            #expect(try await test.claims(worker, limit: 5).count == 1)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a claim tells all that a worker needs`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            var job = NewJob.sample(video: 0)
            job.choices = ["one", "two"]
            job.expected = "two"
            job.timeout = .milliseconds(1500)
            job.maxAttempts = 7
            job.customID = "cam-7"
            job.queue = "night shift"
            job.video.codec = "h264"
            job.video.container = "mov,mp4"
            job.video.framesPerSecond = 29.97
            job.video.durationMilliseconds = 12_345
            job.video.width = 1280
            job.video.height = 720
            job.video.frameCount = 370
            job.video.probeError = "one bad packet"
            let id = try await test.enqueue([job])[0]
            let claim = try await test.claim(try await test.worker())
            #expect(claim.job == id && claim.number == 1 && claim.maxAttempts == 7)
            #expect(claim.batch == "night" && claim.question == "How many cars?")
            #expect(claim.choices == ["one", "two"] && claim.expected == "two")
            #expect(claim.timeout == .milliseconds(1500))
            #expect(claim.model == "embedded" && claim.modelSHA256 == "m1")
            #expect(claim.optionsJSON == ConfigRecord.sample.optionsJSON)
            #expect(claim.video == job.video)
            #expect(claim.leaseUntil == Date(milliseconds: test.clock.now + 60_000))
            #expect(claim.customID == "cam-7" && claim.queue == "night shift" && claim.crashes == 0)
            let key = ContentIdentity.dedupeKey(
                contentID: "sha256:0", question: "How many cars?", choices: ["one", "two"],
                configFingerprint: "f1")
            #expect(claim.dedupeKey == key)
            let row = try await test.row(id)
            #expect(row.state == .running && row.attemptsMade == 1 && row.progress == 0)
            let attempt = try #require(try await test.queue.show(id)).attempts
            try #require(attempt.map(\.attemptID) == [claim.attempt])
            #expect(attempt[0].number == 1)
            #expect(attempt[0].outcome == nil && attempt[0].endedAt == nil)
            #expect(attempt[0].startedAt == "2023-11-14T22:13:20.000Z")
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `questions about one video are claimed together, in the order of claims`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            let now = test.clock.now
            var jobs = (0..<5).map { NewJob.sample(video: 0, question: "Question \($0)?") }
            jobs[1].priority = 4
            jobs[2].priority = -4
            jobs[3].runAt = Date(milliseconds: now - 5)
            jobs.append(.sample(video: 1))
            jobs[5].priority = 3
            let ids = try await test.enqueue(jobs)
            let worker = try await test.worker()
            let claims = try await test.claims(worker)
            #expect(
                claims.map(\.job) == [1, 3, 0, 4, 2].map { ids[$0] },
                "companions come before another video's job of a higher priority")
            #expect(Set(claims.map(\.attempt)).count == 5)
            #expect(claims.allSatisfy { $0.number == 1 && $0.video.contentID == "sha256:0" })
            #expect(try await test.claims(worker).map(\.job) == [ids[5]])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a group is as large as asked for at most`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let ids = try await test.enqueueGroup(5)
            let worker = try await test.worker()
            #expect(try await test.claims(worker, limit: 0).isEmpty)
            #expect(try await test.claims(worker, limit: -3).isEmpty)
            #expect(try await test.claims(worker, limit: 1).map(\.job) == [ids[0]])
            #expect(try await test.claims(worker, limit: 3).map(\.job) == Array(ids[1...3]))
            #expect(try await test.claims(worker, limit: .max).map(\.job) == [ids[4]])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `companions are of the same config and queue, and may run now`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            var jobs = (0..<6).map { NewJob.sample(video: 0, question: "Question \($0)?") }
            jobs[1].config.fingerprint = "f2"
            jobs[2].queue = "other"
            jobs[3].runAt = Date(milliseconds: test.clock.now + 1)
            jobs[4].held = true
            let ids = try await test.enqueue(jobs)
            let claims = try await test.claims(try await test.worker())
            #expect(claims.map(\.job) == [ids[0], ids[5]])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a job that crashed a worker is claimed alone`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let ids = try await test.enqueueGroup(3)
            let dead = try await test.worker()
            #expect(try await test.claims(dead, limit: 1).map(\.job) == [ids[0]])
            // It is queued again for the time of the rescue, behind the others.
            test.clock.advance(seconds: 1)
            try await test.kill(dead)
            _ = try await test.queue.rescue()
            let worker = try await test.worker()
            #expect(try await test.claims(worker).map(\.job) == [ids[1], ids[2]])
            let alone = try await test.claims(worker)
            #expect(alone.map(\.job) == [ids[0]] && alone.map(\.crashes) == [1])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a head that crashed a worker takes no companions`(backend: BackendUnderTest) async throws
    {
        try await backend.run { test in
            let ids = try await test.enqueueGroup(3) {
                $0.priority = $0.question == "Question 1?" ? 5 : 0
            }
            let dead = try await test.worker()
            #expect(try await test.claims(dead, limit: 1).map(\.job) == [ids[1]])
            try await test.kill(dead)
            _ = try await test.queue.rescue()
            let worker = try await test.worker()
            #expect(try await test.claims(worker).map(\.job) == [ids[1]])
            #expect(try await test.claims(worker).map(\.job) == [ids[0], ids[2]])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `many claimers in two processes get each job once`(backend: BackendUnderTest) async throws
    {
        try await backend.run { test in
            let jobs = try await test.enqueue(40)
            let second = try await test.another()
            let claimed = try await withThrowingTaskGroup(of: [Claim].self) { group in
                for index in 0..<8 {
                    let queue = index.isMultiple(of: 2) ? test.queue : second
                    group.addTask {
                        let worker = try await queue.register(.current(device: "cpu", version: "t"))
                        var claims: [Claim] = []
                        while true {
                            let more = try await queue.claim(
                                worker, filter: ClaimFilter(), limit: 3, lease: .seconds(60))
                            guard !more.isEmpty else { return claims }
                            claims += more
                        }
                    }
                }
                return try await group.reduce(into: [Claim]()) { $0 += $1 }
            }
            #expect(claimed.map(\.job).sorted() == jobs)
            #expect(Set(claimed.map(\.attempt)).count == jobs.count)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `groups of one video are not torn twice`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let jobs = try await test.enqueueGroup(24)
            let second = try await test.another()
            let claimed = try await withThrowingTaskGroup(of: [Claim].self) { group in
                for index in 0..<6 {
                    let queue = index.isMultiple(of: 2) ? test.queue : second
                    group.addTask {
                        let worker = try await queue.register(.current(device: "cpu", version: "t"))
                        return try await queue.claim(
                            worker, filter: ClaimFilter(), limit: 4, lease: .seconds(60))
                    }
                }
                return try await group.reduce(into: [Claim]()) { $0 += $1 }
            }
            #expect(claimed.map(\.job).sorted() == jobs.filter(Set(claimed.map(\.job)).contains))
            #expect(Set(claimed.map(\.job)).count == claimed.count)
            // Whoever found the head of the queue taken went to the next; none may be lost.
            let rest = try await test.drain(try await test.worker())
            #expect((claimed.map(\.job) + rest).sorted() == jobs)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a worker that is not registered gets nothing, and nothing is lost`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            let kind = await errorKind { _ = try await test.claim(987_654) }
            #expect(kind == .invalid)
            #expect(try await test.state(job) == .queued)
            #expect(try await test.row(job).attemptsMade == 0)
        }
    }
}
