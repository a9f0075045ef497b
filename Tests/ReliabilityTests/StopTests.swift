import Foundation
import Glibc
import Jobs
import Testing

extension Reliability {
    /// Workers that are asked to stop, or whose time is over.
    @Suite(.serialized) struct StopTests {
        static let grace = 2.0

        /// A real video: each job has it sampled by the worker's child process.
        private static func clip() throws -> String {
            let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .deletingLastPathComponent().deletingLastPathComponent()
                .appendingPathComponent("jobs/demo/videos/generated_2.mp4").path
            try #require(FileManager.default.fileExists(atPath: path))
            return path
        }

        @Test(.timeLimit(.minutes(30)), arguments: StoreKind.allCases)
        func `a worker that is asked to stop leaves nothing running and nothing counted`(
            _ kind: StoreKind
        ) async throws {
            guard let store = try await TestStore.make(kind, for: "graceful stop") else { return }
            let clip = try Self.clip()
            var jobs = 0
            var codes: [Int32: Int] = [:]
            var slowest = Duration.zero
            for round in 0..<Reliability.bound(6, full: 200) {
                // Some are sampled for real, by a child of the worker.
                if try await store.remaining() < 20 {
                    try await store.enqueue(jobs..<jobs + 12, questions: ["What?", "Who?"])
                    try await store.enqueue(jobs..<jobs + 3, prefix: "real") {
                        $1.video.path = clip
                    }
                    jobs += 27
                }
                let tag = "STORM_TAG=\(UUID())"
                let worker = try StormProcess(
                    store.location, "stopped-\(round)", in: store.folder,
                    [
                        "--grace", "\(Self.grace)", "--group", "4", "--journal",
                        store.folder.file("answers"),
                    ],
                    environment: ["STORM_TAG": String(tag.dropFirst("STORM_TAG=".count))])
                try await eventually("something was claimed: \(worker.output)") {
                    !worker.events.isEmpty
                }
                try await Task.sleep(for: .milliseconds(.random(in: 0...150)))
                worker.child.signal(SIGTERM)
                let asked = ContinuousClock.now
                let ending = try await worker.child.ended()
                slowest = max(slowest, .now - asked)
                guard case .code(let code) = ending else {
                    Issue.record("\(ending): \(worker.output)")
                    continue
                }
                codes[code, default: 0] += 1
                let left = try await store.remaining()
                #expect(code == (left > 0 ? 5 : 0), "\(left) left: \(worker.output)")
                try await Self.expectNothingRuns(store, tag)
                let claimed = Set(worker.events.filter { $0.kind == "claimed" }.map(\.attempt))
                let ended = Set(
                    worker.events.filter { ["stored", "interrupted"].contains($0.kind) }
                        .map(\.attempt))
                #expect(claimed == ended)
            }
            if Reliability.isFull { #expect(slowest <= .seconds(Self.grace + 5)) }
            let audit = try await Audit(store.queue)
            for (id, job) in audit.jobs {
                #expect(job.attemptsMade == (job.state == "succeeded" ? 1 : 0), "job \(id)")
                #expect(job.crashes == 0, "job \(id)")
            }
            audit.expectWhole()
            audit.expectStored(store.folder.acknowledged())
            Reliability.say(
                "graceful stop (\(kind)): exit codes \(codes), \(audit.count("interrupted")) attempts "
                    + "given back, the slowest stop \(slowest)")
        }

        @Test(.timeLimit(.minutes(10)), arguments: StoreKind.allCases)
        func `a second signal ends a worker at once, and its job is given back`(
            _ kind: StoreKind
        ) async throws {
            guard let store = try await TestStore.make(kind, for: "second signal") else { return }
            let number = Reliability.bound(2, full: 50)
            try await store.enqueue(0..<number)
            for round in 0..<number {
                let tag = UUID().uuidString
                let worker = try StormProcess(
                    store.location, "forced-\(round)", in: store.folder, milliseconds: 600_000,
                    ["--journal", store.folder.file("answers")], environment: ["STORM_TAG": tag])
                try await eventually("a job was begun: \(worker.output)") { worker.inHand != nil }
                worker.child.signal(SIGTERM)
                // Two signals at once are one.
                try await Task.sleep(for: .milliseconds(50))
                #expect(worker.child.isRunning, "the job in hand goes on")
                worker.child.signal(SIGTERM)
                #expect(try await worker.child.ended() == .code(143), "\(worker.output)")
                try await Self.expectNothingRuns(store, "STORM_TAG=\(tag)")
            }
            let audit = try await Audit(store.queue)
            #expect(audit.jobs.values.allSatisfy { $0.attemptsMade == 0 && $0.crashes == 0 })
            #expect(audit.jobs.values.allSatisfy { $0.state == "queued" })
            #expect(audit.attempts.values.allSatisfy { $0.outcome == "interrupted" })
        }

        @Test(.timeLimit(.minutes(10)), arguments: StoreKind.allCases)
        func `nothing is begun after the deadline`(_ kind: StoreKind) async throws {
            guard let store = try await TestStore.make(kind, for: "deadline") else { return }
            try await store.enqueue(0..<Reliability.bound(400, full: 4000))
            let seconds = Reliability.bound(2.0, full: 20)
            let deadline = Date().addingTimeInterval(seconds)
            let options = [
                "--until", "\(deadline.timeIntervalSince1970)", "--group", "3", "--journal",
                store.folder.file("answers"),
            ]
            let workers = try (0..<2).map {
                try StormProcess(store.location, "until-\($0)", in: store.folder, options)
            }
            for worker in workers {
                #expect(try await worker.child.ended() == .code(5), "\(worker.output)")
            }
            #expect(Date() >= deadline.addingTimeInterval(-1), "they used the time they had")
            let audit = try await Audit(store.queue)
            audit.expectWhole()
            audit.expectStored(store.folder.acknowledged())
            let last = audit.attempts.values.map(\.startedAt).max() ?? 0
            #expect(last > 0)
            #expect(Double(last) / 1000 <= deadline.timeIntervalSince1970)
            #expect(audit.jobs.values.contains { $0.state == "queued" })
        }

        private static func expectNothingRuns(_ store: TestStore, _ tag: String) async throws {
            var running = JobSelection()
            running.states = [.running]
            #expect(try await store.queue.list(running, limit: 10).map(\.jobID) == [])
            // A child goes with its parent, a moment later.
            try await eventually("no process of the worker is left") {
                processes(withEnvironment: tag).isEmpty
            }
        }
    }
}
