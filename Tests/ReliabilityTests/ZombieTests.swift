import Foundation
import Glibc
import Jobs
import Testing

extension Reliability {
    /// Workers that are stopped until their lease is over and then go on, as on a machine that was
    /// suspended. They must not finish what others do meanwhile.
    @Suite(.serialized) struct ZombieTests {
        static let rounds = Reliability.bound(4, full: 100)

        static func options(_ host: String) -> [String] {
            ["--stay", "yes", "--lease", "0.5", "--heartbeat", "0.1", "--host", host]
        }

        /// Never asks after its lease: only the token keeps it from storing an answer.
        static func careless(_ host: String) -> [String] {
            ["--stay", "yes", "--lease", "0.5", "--heartbeat", "1000", "--fence-margin", "-1000"]
                + ["--host", host]
        }

        @Test(.timeLimit(.minutes(20)), arguments: StoreKind.allCases)
        func `a worker that was stopped loses its job to another and goes on with new work`(
            _ kind: StoreKind
        ) async throws {
            guard let store = try await TestStore.make(kind, for: "zombie") else { return }
            let workers = [
                try StormProcess(
                    store.location, "careful", in: store.folder, Self.options("one")),
                try StormProcess(
                    store.location, "careless", in: store.folder, Self.careless("two")),
            ]
            var zombies = 0
            var lost: [AttemptID] = []
            var jobs = 0
            while zombies < Self.rounds {
                let job = try #require(try await store.enqueue(jobs..<jobs + 1).first)
                jobs += 1
                guard let (index, event) = try await Self.freeze(job, workers, store) else {
                    continue
                }
                zombies += 1
                let (zombie, other) = (workers[index], workers[1 - index])
                try await eventually("job \(job) was answered by the other: \(other.output)") {
                    other.events.contains { $0.kind == "stored" && $0.job == job }
                }
                zombie.child.thaw()
                try await eventually("\(zombie.name) noticed that it had lost attempt \(event)") {
                    zombie.events.contains { $0.kind == "lost" && $0.attempt == event.attempt }
                }
                lost.append(event.attempt)
                // It goes on with new work.
                let stored = zombie.events.count { $0.kind == "stored" }
                try await eventually("\(zombie.name) stored an answer to something new") {
                    if try await store.remaining() == 0 {
                        try await store.enqueue(jobs..<jobs + 2)
                        jobs += 2
                    }
                    return zombie.events.count { $0.kind == "stored" } > stored
                }
                try await eventually("nothing is left") { try await store.remaining() == 0 }
            }
            try await Self.end(workers)
            let audit = try await Audit(store.queue)
            audit.expectAllAnswered(jobs)
            audit.expectStored(store.folder.acknowledged())
            let misjudged = lost.filter { audit.attempts[$0]?.outcome != "lease_lost" }
            #expect(misjudged.isEmpty, "attempts that were lost and say otherwise")
            try await store.expectClean()
            Reliability.say("zombies (\(kind)): \(zombies) stopped past their lease, \(jobs) jobs")
        }

        @Test(.timeLimit(.minutes(20)), arguments: StoreKind.allCases)
        func `an old attempt is lost also when the same worker has the job again`(
            _ kind: StoreKind
        ) async throws {
            guard let store = try await TestStore.make(kind, for: "zombie") else { return }
            for (name, options) in [
                ("careful", Self.options("one")), ("careless", Self.careless("two")),
            ] {
                let worker = try StormProcess(store.location, name, in: store.folder, options)
                var zombies = 0
                while zombies < Self.rounds / 2 {
                    let number = try await store.queue.list(JobSelection(), limit: 10_000).count
                    let job = try #require(try await store.enqueue(number..<number + 1).first)
                    guard let (_, event) = try await Self.freeze(job, [worker], store) else {
                        continue
                    }
                    zombies += 1
                    try await eventually("job \(job) was taken back") {
                        try await store.queue.rescue().contains { $0.job == job }
                    }
                    worker.child.thaw()
                    try await eventually("\(name) lost its attempt and answered the job again") {
                        let events = worker.events.filter { $0.job == job }
                        return events.contains { $0.kind == "lost" && $0.attempt == event.attempt }
                            && events.contains {
                                $0.kind == "stored" && $0.attempt != event.attempt
                            }
                    }
                }
                try await Self.end([worker])
            }
            let audit = try await Audit(store.queue)
            audit.expectAllAnswered(audit.jobs.count)
            audit.expectStored(store.folder.acknowledged())
            #expect(audit.count("lease_lost") >= Self.rounds / 2 * 2)
        }

        /// Stops the worker that begins the job, while it has it in hand.
        ///
        /// - Returns: the worker and its attempt; `nil` when the job ended before the worker stopped, or
        ///   the worker stopped amid a transaction, which holds up everybody
        private static func freeze(
            _ job: JobID, _ workers: [StormProcess], _ store: TestStore
        ) async throws -> (Int, StormProcess.Event)? {
            var found: Int?
            try await eventually("job \(job) was begun: \(workers.map(\.output))") {
                found = workers.firstIndex { worker in
                    worker.events.contains { $0.kind == "begun" && $0.job == job }
                }
                return found != nil
            }
            guard let index = found else { return nil }
            let worker = workers[index]
            try await worker.child.freeze()
            if let event = worker.inHand, event.job == job,
                !worker.events.contains(where: {
                    $0.kind == "inferred" && $0.attempt == event.attempt
                }), try await store.canWrite()
            {
                return (index, event)
            }
            worker.child.thaw()
            try await eventually("job \(job) was answered") {
                try await store.queue.show(job)?.job.state == .succeeded
            }
            return nil
        }

        private static func end(_ workers: [StormProcess]) async throws {
            for worker in workers { worker.child.signal(SIGTERM) }
            for worker in workers {
                #expect(try await worker.child.ended() == .code(0), "\(worker.output)")
            }
        }
    }
}
