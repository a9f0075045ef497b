import Foundation
import Jobs
import QueueTestSupport
import Testing

extension Reliability {
    /// The server crashes: `pg_ctl stop -m immediate`.
    @Suite(
        .serialized, .enabled(if: PostgresServer.isAvailable, "\(PostgresServer.reason)"))
    struct PostgresCrashTests {
        @Test(.timeLimit(.minutes(60)))
        func `what was acknowledged before the server crashed is there after it`() async throws {
            // A server that would not wait for the disk: the queue's sessions ask for it.
            let server = try PostgresServer(
                options: "synchronous_commit = off\nwal_writer_delay = 10s")
            defer { try? server.stop("immediate") }
            guard server.folder != nil else {
                return Reliability.skip("server crash", "the server was given, not started here")
            }
            let folder = try TestFolder()
            let location = server.url(database: "postgres")
            var queue: any QueueStore = try QueueLocation(location).open()
            let durable = try await queue.check().first { $0.detail.contains("synchronous_commit") }
            #expect(durable?.detail.contains("on") == true, "\(String(describing: durable))")

            let options = ["--lease", "3", "--heartbeat", "0.5", "--host", "elsewhere"]
            let crew = try StormCrew(
                location, folder, milliseconds: 2, options: Array(repeating: options, count: 4))
            var jobs = 0
            var (crashes, checked) = (0, 0)
            for round in 0..<Reliability.bound(4, full: 200) {
                let left = try await queue.remaining(JobSelection())
                jobs += try await queue.enqueue(
                    BatchSpec(name: "storm", source: "-", specJSON: "{}"),
                    (0..<max(0, Reliability.bound(80, full: 400) - left)).map {
                        .storm("crash-\(round)-\($0)")
                    }
                ).inserted.count
                if round == 0 { try await crew.start() }
                try await replaceEnded(crew)
                let before = folder.acknowledged().count
                try await eventually("answers are stored in round \(round)") {
                    folder.acknowledged().count > before + 4
                }
                try await Task.sleep(for: .milliseconds(.random(in: 0...200)))
                try server.stop("immediate")
                let told = folder.acknowledged()
                try server.start()
                crashes += 1
                queue = try QueueLocation(location).open()
                let stored = Set(
                    try psql(location, "SELECT job_id, attempt_id FROM zipvl.answers")
                        .split(separator: "\n"))
                let lost = told.filter { !stored.contains("\($0.job)|\($0.attempt)") }
                #expect(lost.isEmpty, "crash \(crashes): \(lost)")
                checked += told.count
            }
            try await eventually("all jobs are answered", within: .seconds(300)) {
                try await replaceEnded(crew)
                return try await queue.remaining(JobSelection()) == 0
            }
            _ = try await crew.ended()
            let audit = try await Audit(queue)
            audit.expectAllAnswered(jobs)
            audit.expectStored(folder.acknowledged())
            print("server crashes: \(crashes), acknowledged answers looked for: \(checked)")
        }

        /// A worker may end when its server is gone; the next one goes on.
        private func replaceEnded(_ crew: StormCrew) async throws {
            for place in 0..<4 {
                let worker = await crew.workers[place]
                switch worker.child.endedNow() {
                case nil: break
                case .code(0)?, .code(69)?: try await crew.replace(place)
                case let ending?:
                    Issue.record("worker \(worker.name): \(ending): \(worker.output)")
                }
            }
        }
    }
}

extension NewJob {
    /// A question about a file that does not exist.
    static func storm(_ name: String, queue: String = "default") -> NewJob {
        NewJob(
            video: VideoRecord(
                contentID: "sha256:\(name)", path: "/storm/clip-\(name).mp4", sizeBytes: 1,
                mtimeNanoseconds: 1),
            config: ConfigRecord(
                fingerprint: "storm", model: "stub", modelSHA256: "stub", optionsJSON: "{}"),
            question: "What?", queue: queue, maxAttempts: 1000, maxCrashes: 1000)
    }
}
