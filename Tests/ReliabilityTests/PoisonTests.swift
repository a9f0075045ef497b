import Foundation
import Glibc
import Jobs
import Testing

extension Reliability {
    /// Jobs that kill or hang whoever runs them, among good ones.
    @Suite(.serialized) struct PoisonTests {
        static let good = Reliability.bound(12, full: 200)
        /// Videos of each kind of harm.
        static let bad = Reliability.bound(1, full: 3)
        static let companions = ["good one?", "good two?"]

        /// What becomes of the question that does harm.
        static let ends: [String: (class: String, code: String)] = [
            "segv": ("crash", "worker_died"), "memory": ("crash", "worker_died"),
            "loop": ("timeout", "timed_out"), "real": ("input", "not_a_video"),
        ]

        @Test(.timeLimit(.minutes(20)), arguments: StoreKind.allCases)
        func `bad jobs end as failed, their companions and all others are answered`(
            _ kind: StoreKind
        ) async throws {
            guard let store = try await TestStore.make(kind, for: "poison") else { return }
            let options = [
                "--group", "4", "--memory", "384", "--journal", store.folder.file("answers"),
                "--engine-grace", "0.5", "--lease", "2", "--heartbeat", "0.2",
            ]
            // As fast as good jobs go when nothing else is there, and with a worker's start.
            try await store.enqueue(0..<Self.good, prefix: "before")
            let alone = try await Self.work(store, options)
            try await store.enqueue(0..<Self.good)
            for ailment in ["segv", "memory", "loop"] {
                // Asked between two good questions about the same video.
                let questions = [Self.companions[0], "bad?", Self.companions[1]]
                try await store.enqueue(0..<Self.bad, questions: questions, prefix: ailment) {
                    $1.maxCrashes = 3
                    $1.maxAttempts = 1
                    if ailment == "loop" { $1.timeout = .seconds(1) }
                }
            }
            try await Self.enqueueBrokenFiles(store)
            let together = try await Self.work(store, options)

            let audit = try await Audit(store.queue)
            audit.expectWhole()
            audit.expectStored(store.folder.acknowledged())
            for (id, job) in audit.jobs {
                let name = job.contentID.replacing("sha256:", with: "").prefix { $0.isLetter }
                let end = job.question.hasPrefix("good") ? nil : Self.ends[String(name)]
                guard let end else {
                    #expect(job.state == "succeeded", "job \(id) \(job)")
                    #expect(job.crashes == 0, "an innocent job is blamed: \(id) \(job)")
                    continue
                }
                #expect(job.state == "failed", "job \(id) \(job)")
                #expect(job.errorClass == end.class, "job \(id) \(job)")
                #expect(name == "real" || job.errorCode == end.code, "job \(id) \(job)")
                #expect(job.crashes == (end.class == "crash" ? 3 : 0), "job \(id) \(job)")
            }
            try await store.expectClean()
            let deaths = 3 * 2 * Self.bad
            Reliability.say(
                "poison (\(kind)): \(Self.good) good jobs alone \(alone), with \(9 * Self.bad) bad "
                    + "ones and their companions \(together), \(deaths) deaths of a worker")
            // Each time-out is a second and the half that the engine is waited for; a worker that died
            // starts again within half a second.
            let limit = alone * 3 / 2 + .seconds(1.5 * Double(Self.bad) + 0.5 * Double(deaths) + 1)
            if Reliability.isFull { #expect(together <= limit) }
        }

        /// Two workers, each started again as often as it dies, until nothing is left.
        private static func work(_ store: TestStore, _ options: [String]) async throws -> Duration {
            let start = ContinuousClock.now
            let crew = try StormCrew(
                store.location, store.folder, milliseconds: 20, options: [options, options],
                name: "\(UUID())")
            try await crew.start()
            var isOver = [false, false]
            let limit = Reliability.bound(120, full: 600)
            try await eventually("the queue is drained", within: .seconds(limit)) {
                for place in 0..<2 where !isOver[place] {
                    switch await crew.workers[place].child.endedNow() {
                    case nil: continue
                    case .code(0), .code(3): isOver[place] = true
                    default: try await crew.replace(place)
                    }
                }
                return isOver == [true, true]
            }
            #expect(try await store.remaining() == 0)
            return .now - start
        }

        /// Files that were good when they were enqueued, and are not when they are read.
        private static func enqueueBrokenFiles(_ store: TestStore) async throws {
            for number in 0..<Self.bad + 1 {
                let path = store.folder.file("real-\(number).mp4")
                // One of no bytes; of the others a beginning is there.
                let bytes = number == 0 ? [] : Array("....ftypisom....isom".utf8)
                try Data(bytes).write(to: URL(fileURLWithPath: path))
                try await store.enqueue(number..<number + 1, prefix: "real") {
                    $1.video.path = path
                }
            }
        }
    }
}
