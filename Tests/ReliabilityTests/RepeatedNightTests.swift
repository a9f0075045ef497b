import Foundation
import Jobs
import Testing

extension Reliability {
    /// The same directory enqueued night after night, by several at once, while its files change.
    @Suite(.serialized) struct RepeatedNightTests {
        /// A directory of videos that differ, and the program that enqueues it.
        private struct Nights {
            let store: TestStore
            let folder: TestFolder
            var videos: String { folder.file("videos") }

            static let clip = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .deletingLastPathComponent().deletingLastPathComponent()
                .appendingPathComponent("jobs/demo/videos/generated_2.mp4").path

            init(_ store: TestStore) throws {
                self.store = store
                folder = try TestFolder()
                try FileManager.default.createDirectory(
                    atPath: videos, withIntermediateDirectories: true)
            }

            /// A video that decodes as any of them and has its own content: an empty box at the end.
            func write(_ name: String, content: UInt32) throws {
                var data = try Data(contentsOf: URL(fileURLWithPath: Self.clip))
                var size = UInt32(12).bigEndian
                withUnsafeBytes(of: &size) { data.append(contentsOf: $0) }
                data.append(contentsOf: "free".utf8)
                withUnsafeBytes(of: content.bigEndian) { data.append(contentsOf: $0) }
                try data.write(to: URL(fileURLWithPath: "\(videos)/\(name)"))
            }

            /// `zipvl-batch enqueue` as a process.
            func enqueue(_ name: String, _ options: [String] = []) throws -> Child {
                try Child(
                    builtProgram("zipvl-batch"),
                    [
                        "--queue", store.location, "enqueue", videos, "--question", "What?",
                        "--question", "Who?", "--batch", name, "--json",
                    ] + options,
                    environment: ["XDG_CACHE_HOME": folder.file("cache")],
                    output: folder.file("\(name).out"))
            }

            /// Lines with this result.
            func count(_ result: String, _ name: String) throws -> Int {
                try String(contentsOfFile: folder.file("\(name).out"), encoding: .utf8)
                    .split(separator: "\n").count { $0.contains("\"result\":\"\(result)\"") }
            }

            /// One more night.
            ///
            /// - Returns: jobs that were inserted and reused
            func night(
                _ name: String, _ options: [String] = []
            ) async throws -> (inserted: Int, reused: Int) {
                let child = try enqueue(name, options)
                let ending = try await child.ended()
                let text = try String(contentsOfFile: folder.file("\(name).out"), encoding: .utf8)
                #expect(ending == .code(0), "\(text)")
                return (try count("inserted", name), try count("reused", name))
            }
        }

        @Test(.timeLimit(.minutes(20)), arguments: StoreKind.allCases)
        func `a directory enqueued by eight at once makes one job for each video and question`(
            _ kind: StoreKind
        ) async throws {
            guard let store = try await TestStore.make(kind, for: "repeated nights") else { return }
            let nights = try Nights(store)
            let videos = 6
            for number in 0..<videos { try nights.write("\(number).mp4", content: UInt32(number)) }
            var inserted = 0
            for round in 0..<Reliability.bound(1, full: 10) {
                let processes = try (0..<8).map { try nights.enqueue("round-\(round)-\($0)") }
                for process in processes { #expect(try await process.ended() == .code(0)) }
                for number in 0..<8 {
                    let new = try nights.count("inserted", "round-\(round)-\(number)")
                    let old = try nights.count("reused", "round-\(round)-\(number)")
                    #expect(new + old == videos * 2)
                    inserted += new
                }
            }
            #expect(inserted == videos * 2)
            #expect(try await store.queue.list(JobSelection(), limit: 1000).count == videos * 2)

            // What is answered stays answered, however the files are called.
            let worker = try StormProcess(store.location, "worker", in: store.folder)
            #expect(try await worker.child.ended() == .code(0), "\(worker.output)")
            let files = FileManager.default
            try files.moveItem(
                atPath: "\(nights.videos)/0.mp4", toPath: "\(nights.videos)/renamed.mp4")
            try files.copyItem(
                atPath: "\(nights.videos)/1.mp4", toPath: "\(nights.videos)/copy.mp4")
            try files.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: -3600)],
                ofItemAtPath: "\(nights.videos)/2.mp4")
            let touched = try await nights.night("touched")
            #expect(touched.inserted == 0)
            #expect(touched.reused == (videos + 1) * 2)

            // Another content under an old name is new, and so is another setting.
            try nights.write("3.mp4", content: 1000)
            let replaced = try await nights.night("replaced")
            #expect(replaced.inserted == 2)
            #expect(replaced.reused == videos * 2)
            let changed = try await nights.night("changed", ["--max-new-tokens", "5"])
            // Of the file and its copy one is asked about.
            #expect(changed.inserted == videos * 2)
            #expect(changed.reused == 2)
            let last = try StormProcess(store.location, "last", in: store.folder)
            #expect(try await last.child.ended() == .code(0), "\(last.output)")
            let audit = try await Audit(store.queue)
            audit.expectAllAnswered(videos * 2 + 2 + videos * 2)
            #expect(store.folder.inferences().values.allSatisfy { $0 == 1 })
            try await store.expectClean()
        }

        @Test(.timeLimit(.minutes(20)), arguments: StoreKind.allCases)
        func `a clock that is two hours off runs nothing twice`(_ kind: StoreKind) async throws {
            guard let store = try await TestStore.make(kind, for: "wrong clocks") else { return }
            let jobs = Reliability.bound(60, full: 1000)
            try await store.enqueue(0..<jobs)
            let clocks = ["0", "7200", "-7200", "0"]
            let crew = try StormCrew(
                store.location, store.folder, milliseconds: 20,
                options: clocks.map {
                    ["--clock", $0, "--stay", "yes", "--journal", store.folder.file("answers")]
                })
            try await crew.start()
            // A clock that runs behind sees jobs of now as jobs of later; the others answer them.
            try await eventually("every job is answered") { try await store.remaining() == 0 }
            for worker in await crew.workers { worker.child.signal(SIGTERM) }
            for worker in await crew.workers {
                #expect(try await worker.child.ended() == .code(0), "\(worker.output)")
            }
            let audit = try await Audit(store.queue)
            audit.expectAllAnswered(jobs)
            audit.expectStored(store.folder.acknowledged())
            #expect(audit.attempts.count == jobs, "nothing was taken from a living worker")
            #expect(store.folder.inferences().values.allSatisfy { $0 == 1 })
        }

        @Test(.timeLimit(.minutes(20)))
        func `a queue moves to a server in the middle of the work, and back`() async throws {
            guard let old = try await TestStore.make(.sqlite, for: "moving"),
                let new = try await TestStore.make(.postgres, for: "moving")
            else { return }
            let jobs = Reliability.bound(120, full: 2000)
            try await old.enqueue(0..<jobs)
            let options = ["--journal", old.folder.file("answers")]
            // Some are answered here: then the workers are asked to stop.
            let workers = try (0..<2).map {
                try StormProcess(old.location, "old-\($0)", in: old.folder, options)
            }
            try await eventually("a third is answered") {
                try await old.remaining() <= jobs * 2 / 3
            }
            for worker in workers { worker.child.signal(SIGTERM) }
            for worker in workers { #expect(try await worker.child.ended() == .code(5)) }
            let left = try await old.remaining()
            try await Self.move(old, new)
            #expect(try await new.remaining() == left)

            let crew = try StormCrew(
                new.location, old.folder, options: Array(repeating: options, count: 4), name: "new")
            try await crew.start()
            #expect(try await crew.ended() == Array(repeating: .code(0), count: 4))
            let audit = try await Audit(new.queue)
            audit.expectAllAnswered(jobs)
            audit.expectStored(old.folder.acknowledged())
            #expect(old.folder.inferences().values.allSatisfy { $0 == 1 })
            try await new.expectClean()

            guard let back = try await TestStore.make(.sqlite, for: "moving back") else { return }
            try await Self.move(new, back)
            try await Audit(back.queue).expectAllAnswered(jobs)
            try await back.expectClean()
            Reliability.say(
                "moving: \(jobs) jobs, \(jobs - left) answered before, \(left) after; the same "
                    + "counts and checksum on all sides")
        }

        /// `zipvl-batch move`, and what both sides say afterwards.
        private static func move(_ from: TestStore, _ to: TestStore) async throws {
            let log = to.folder.file("move.out")
            let move = try Child(
                builtProgram("zipvl-batch"),
                ["move", "--from", from.location, "--to", to.location],
                output: log)
            let ending = try await move.ended()
            let said = try String(contentsOfFile: log, encoding: .utf8)
            #expect(ending == .code(0), "\(said)")
            let (before, after) = (
                try await from.queue.transferSummary(), try await to.queue.transferSummary()
            )
            #expect(before == after)
        }
    }
}
