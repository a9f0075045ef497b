import Foundation
import Glibc
import Jobs
import Testing

extension Reliability {
    /// Workers that are killed all the time: what the queue promises must hold for whoever is left.
    @Suite(.serialized) struct KillStormTests {
        struct Storm: CustomTestStringConvertible, Sendable {
            var store: StoreKind
            /// Length of a job. Of 0, jobs are nothing but transactions: most kills fall into one or
            /// between two.
            var milliseconds: Int
            /// Kills that must have met a worker with a begun job.
            var hits: Int
            /// Jobs that must wait when somebody is killed.
            var supply: Int { milliseconds > 0 ? 60 : 400 }
            /// Seconds; without a lock to tell by, an orphan waits for it. On SQLite the lock always
            /// tells, so that an orphan is back long before, or not while the test lasts.
            var lease: Double { store == .sqlite ? 3600 : 2 }
            var testDescription: String { "\(store), jobs of \(milliseconds) ms, \(hits) hits" }
        }

        static let storms = StoreKind.allCases.flatMap { store in
            [
                Storm(store: store, milliseconds: 50, hits: Reliability.bound(5, full: 200)),
                Storm(store: store, milliseconds: 0, hits: Reliability.bound(2, full: 20)),
            ]
        }

        @Test(.timeLimit(.minutes(20)), arguments: storms)
        func `every job is answered once though workers are killed all the time`(
            _ storm: Storm
        ) async throws {
            guard let store = try await TestStore.make(storm.store, for: "kill storm") else {
                return
            }
            let options = [
                "--journal", store.folder.file("answers"), "--lease", "\(storm.lease)",
                "--heartbeat", "0.2", "--stay", "yes",
            ]
            let crew = try StormCrew(
                store.location, store.folder, milliseconds: storm.milliseconds,
                options: Array(repeating: options, count: 4))
            var jobs = try await store.enqueue(0..<storm.supply)
            try await crew.start()

            var (kills, hits) = (0, 0)
            var longest = Duration.zero
            while hits < storm.hits {
                let place = Int.random(in: 0..<4)
                let victim = await crew.workers[place]
                // However fast the others are, a worker that starts meets jobs, and no kill an empty queue.
                try await eventually("worker \(victim.name) has come to work") {
                    if try await store.remaining() < storm.supply {
                        jobs += try await store.enqueue(jobs.count..<jobs.count + storm.supply)
                    }
                    return !victim.events.isEmpty || !victim.child.isRunning
                }
                try await Task.sleep(for: .milliseconds(.random(in: 5...100)))
                guard try await victim.child.kill() else {
                    Issue.record("worker \(victim.name) ended by itself: \(victim.output)")
                    return
                }
                let killed = ContinuousClock.now
                kills += 1
                try await crew.replace(place)
                guard let orphan = victim.inHand else { continue }
                hits += 1
                // Not after each kill, so that kills also meet workers that take jobs back.
                guard hits % 4 == 0 else { continue }
                try await eventually("job \(orphan.job) was taken back", within: .seconds(60)) {
                    let detail = try #require(try await store.queue.show(orphan.job))
                    return detail.attempts.contains {
                        $0.attemptID == orphan.attempt && $0.outcome != nil
                    }
                }
                longest = max(longest, .now - killed)
            }
            // A worker of this host is known to be dead by its lock.
            let limit = storm.store == .sqlite ? 2 : storm.lease + 15
            if Reliability.isFull { #expect(longest <= .seconds(limit)) }

            try await eventually("nothing is left") { try await store.remaining() == 0 }
            for worker in await crew.workers { worker.child.signal(SIGTERM) }
            #expect(try await crew.ended() == Array(repeating: .code(0), count: 4))
            let audit = try await Audit(store.queue)
            audit.expectAllAnswered(jobs.count)
            let acknowledged = store.folder.acknowledged()
            audit.expectStored(acknowledged)
            try await store.expectClean()
            Reliability.say(
                "kill storm (\(storm.testDescription)): \(jobs.count) jobs, \(kills) kills, \(hits) in a begun job, "
                    + "\(audit.count("crashed")) attempts crashed, \(acknowledged.count) answers "
                    + "acknowledged; an orphan waited \(longest) at most")
        }
    }
}
