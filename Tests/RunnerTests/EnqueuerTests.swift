import Foundation
import Glibc
import Jobs
import Synchronization
import Testing

@testable import Runner
@testable import VideoFrames

@Suite struct EnqueuerTests {
    private static let facts = VideoFacts(
        container: "mp4", codec: "h264", width: 64, height: 48, rotation: 0,
        durationMilliseconds: 1000, frameCount: 25, framesPerSecond: 25)

    private static let template = Enqueuer.Template(
        configs: [ConfigRecord(fingerprint: "f", model: "m", modelSHA256: "s", optionsJSON: "{}")])

    private static func write(_ text: String, _ folder: URL, _ name: String) throws -> String {
        let file = folder.appending(path: name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
        return file.path
    }

    private struct Found {
        var items: [EnqueueItem] = []
        var notes: [String] = []
        var badLines: [JobFileError] = []
    }

    private static func all(_ plan: EnqueuePlan) throws -> Found {
        var entries = try plan.entries()
        var found = Found()
        while let entry = try entries.next() {
            switch entry {
            case .item(let item): found.items.append(item)
            case .note(let text): found.notes.append(text)
            case .badLine(let error): found.badLines.append(error)
            }
        }
        return found
    }

    @Test func `a directory gives its videos below it, without hidden and other files`() throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        for name in [
            "b.mp4", "a.MKV", "sub/deep/c.webm", ".hidden.mp4", ".git/d.mp4", "notes.txt", "mp4",
            "renamed text.mp4",
        ] {
            _ = try Self.write(name, fixture.folder.appending(path: "in"), name)
        }
        let root = fixture.folder.path + "/in/"
        let found = try VideoSearch().videos(below: root)
        #expect(
            found.map { String($0.dropFirst(root.count)) }
                == ["a.MKV", "b.mp4", "renamed text.mp4", "sub/deep/c.webm"])
        let some = try VideoSearch(include: ["*.mp4", "sub/*"], exclude: ["*text*"])
            .videos(below: root)
        #expect(some.map { String($0.dropFirst(root.count)) } == ["b.mp4", "sub/deep/c.webm"])
    }

    @Test func `a directory without videos and a path that is not there are errors that name it`()
        throws
    {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let empty = fixture.folder.appending(path: "empty")
        try FileManager.default.createDirectory(at: empty, withIntermediateDirectories: true)
        for path in [empty.path, "/no/such/place.mp4"] {
            var plan = EnqueuePlan()
            plan.paths = [path]
            plan.questions = [.init(text: "What?")]
            let error = #expect(throws: EnqueueError.self) { try plan.entries() }
            #expect(error?.description.contains(path) == true)
            plan.allowsEmpty = true
            let found = try Self.all(plan)
            #expect(found.items.isEmpty)
            #expect(found.notes.count == 1)
        }
    }

    @Test func `a file named twice is asked once`() throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let path = try Self.write("x", fixture.folder, "in/a.mp4")
        var plan = EnqueuePlan()
        plan.paths = [path, fixture.folder.path + "/in", path]
        plan.questions = [.init(text: "One?"), .init(text: "Two?")]
        #expect(try Self.all(plan).items.map(\.question) == ["One?", "Two?"])
    }

    @Test func `each file is probed once, and what is no video becomes failed jobs`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let good = try Self.write("a video", fixture.folder, "good.mp4")
        let copy = try Self.write("a video", fixture.folder, "copy.mp4")
        let bad = try Self.write("", fixture.folder, "bad.mp4")
        let other = try Self.write("", fixture.folder, "other.mp4")
        let probes = Mutex<[String]>([])
        var enqueuer = Enqueuer(queue: fixture.queue) { path in
            probes.withLock { $0.append(path) }
            if path != good && path != copy {
                throw VideoError(code: .empty, path: path, message: "zero bytes")
            }
            return Self.facts
        }
        let paths = [good, bad, other, copy]
        let items = paths.flatMap { path in
            ["One?", "Two?"].map { EnqueueItem(path: path, question: $0) }
        }
        let jobs = try await enqueuer.jobs(items, Self.template)
        #expect(probes.withLock { $0 } == paths)
        #expect(jobs[0].video.contentID.hasPrefix("sha256:"))
        #expect(jobs[0].video.frameCount == 25)
        #expect(jobs[2].failure?.errorClass == .input)
        #expect(jobs[2].failure?.stage == "probe")
        #expect(jobs[2].video.contentID.hasPrefix("bad:\(bad):0:"))

        let batch = BatchSpec(name: "b", source: "-", specJSON: "{}")
        let report = try await fixture.queue.enqueue(batch, jobs)
        #expect(report.inserted.count == 2)
        // Two empty files are two faults; a copy is the same video.
        #expect(report.rejected.count == 4)
        #expect(report.reused.map(\.path) == [copy, copy])
    }

    @Test func `several settings ask each question once each, and look at the file once`()
        async throws
    {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let path = try Self.write("a video", fixture.folder, "good.mp4")
        let probes = Mutex(0)
        var enqueuer = Enqueuer(queue: fixture.queue) { _ in
            probes.withLock { $0 += 1 }
            return Self.facts
        }
        let template = Enqueuer.Template(
            configs: ["a", "b", "a"].map {
                ConfigRecord(fingerprint: $0, model: "m", modelSHA256: "s", optionsJSON: "{}")
            })
        let items = ["One?", "Two?"].map { EnqueueItem(path: path, question: $0) }
        let jobs = try await enqueuer.jobs(items, template)
        #expect(jobs.map(\.question) == ["One?", "One?", "One?", "Two?", "Two?", "Two?"])
        #expect(jobs.map(\.config.fingerprint) == ["a", "b", "a", "a", "b", "a"])
        #expect(probes.withLock { $0 } == 1)
        let batch = BatchSpec(name: "b", source: "-", specJSON: "{}")
        let report = try await fixture.queue.enqueue(batch, jobs)
        #expect(report.inserted.count == 4)
        #expect(report.reused.count == 2)
    }

    @Test func `a file that did not change is neither read nor probed again`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let path = try Self.write("a video", fixture.folder, "good.mp4")
        let probes = Mutex(0)
        var enqueuer = Enqueuer(queue: fixture.queue) { _ in
            probes.withLock { $0 += 1 }
            return Self.facts
        }
        func jobs() async throws -> [NewJob] {
            try await enqueuer.jobs([EnqueueItem(path: path, question: "What?")], Self.template)
        }
        let batch = BatchSpec(name: "b", source: "-", specJSON: "{}")
        for round in 1...2 {
            let jobs = try await jobs()
            let report = try await fixture.queue.enqueue(batch, jobs)
            #expect(report.reused.count == round - 1)
        }
        #expect(probes.withLock { $0 } == 1)
        _ = try Self.write("another video", fixture.folder, "good.mp4")
        let changed = try await jobs()
        #expect(probes.withLock { $0 } == 2)
        #expect(try await fixture.queue.enqueue(batch, changed).inserted.count == 1)
    }

    @Test func `names that are no UTF-8 are told with their bytes, and the others go on`() throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let folder = fixture.folder.path + "/in"
        for name in ["a\nb.mp4", "c.mp4", "e\u{301}.mp4", "\u{e9}.mp4", "-rf.mp4", "%n%s.mp4"] {
            _ = try Self.write(name, fixture.folder, "in/" + name)
        }
        let bytes = Array((folder + "/caf").utf8) + [0xE9] + Array(".mp4".utf8) + [0]
        let made = bytes.map { CChar(bitPattern: $0) }.withUnsafeBufferPointer { name in
            name.baseAddress.map { symlink("/dev/null", $0) } ?? -1
        }
        try #require(made == 0)
        var plan = EnqueuePlan()
        plan.paths = [folder]
        plan.questions = [.init(text: "What?")]
        let found = try Self.all(plan)
        #expect(
            found.items.map { $0.path.dropFirst(folder.count + 1) }.map(String.init).map {
                Array($0.utf8)
            }
                == ["%n%s.mp4", "-rf.mp4", "a\nb.mp4", "c.mp4", "e\u{301}.mp4", "\u{e9}.mp4"]
                .map { Array($0.utf8) })
        #expect(found.notes.count == 1)
        #expect(found.notes.first?.contains(#"caf\xe9.mp4: a name that is not UTF-8"#) == true)
    }

    @Test func `two files whose names look alike are two files`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let one = try Self.write("one", fixture.folder, "e\u{301}.mp4")
        let two = try Self.write("two", fixture.folder, "\u{e9}.mp4")
        #expect(one == two, "equal as texts")
        var enqueuer = Enqueuer(queue: fixture.queue) { _ in Self.facts }
        let items = [one, two].map { EnqueueItem(path: $0, question: "What?") }
        let jobs = try await enqueuer.jobs(items, Self.template)
        #expect(Set(jobs.map(\.video.contentID)).count == 2)
    }

    @Test func `a manifest of many lines is stored in bounded transactions, wrong lines are told`()
        async throws
    {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        _ = try Self.write("a video", fixture.folder, "good.mp4")
        let count = 12_000
        var text = ""
        var wrong: [Int] = []
        for number in 1...count {
            switch number % 1000 {
            case 0:
                wrong.append(number)
                text += "{\"video\": \"good.mp4\", \"question\": \"\"}\n"
            case 1 where number > 1000:
                // The id of a line before.
                wrong.append(number)
                text +=
                    "{\"custom_id\": \"c\(number - 10)\", \"video\": \"good.mp4\", \"question\": \"again \(number)\"}\n"
            default:
                text +=
                    "{\"custom_id\": \"c\(number)\", \"video\": \"good.mp4\", \"question\": \"q \(number)\"}\n"
            }
        }
        let manifest = try Self.write(text, fixture.folder, "list.jsonl")
        var plan = EnqueuePlan()
        plan.manifests = [manifest]
        var told: [Int] = []
        var largest = 0
        var stored = 0
        let probes = Mutex(0)
        var run = EnqueueRun(
            queue: fixture.queue,
            enqueuer: Enqueuer(queue: fixture.queue) { _ in
                probes.withLock { $0 += 1 }
                return Self.facts
            }, template: Self.template,
            batch: BatchSpec(name: "b", source: manifest, specJSON: "{}"))
        let totals = try await run.run(try plan.entries()) { event in
            switch event {
            case .badLine(let error): told.append(error.line ?? 0)
            case .stored(let report, let jobs):
                largest = max(largest, jobs.count)
                stored += report.inserted.count
            case .note, .looked, .planned: break
            }
        }
        #expect(told == wrong)
        #expect(totals.badLines == wrong.count)
        #expect(totals.inserted == count - wrong.count)
        #expect(stored == totals.inserted)
        #expect(largest <= EnqueueRun.chunk)
        #expect(probes.withLock { $0 } == 1)
        #expect(try await fixture.queue.remaining(JobSelection()) == totals.inserted)
    }

    @Test func `shards are disjoint, and together they are everything`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let paths = try (1...30).map { try Self.write("video \($0)", fixture.folder, "\($0).mp4") }
        let items = paths.map { EnqueueItem(path: $0, question: "What?") }
        var seen: [String] = []
        for index in 1...4 {
            var enqueuer = Enqueuer(queue: fixture.queue) { _ in Self.facts }
            var template = Self.template
            template.shard = Shard("\(index)/4")
            let part = try await enqueuer.jobs(items, template).map(\.video.path)
            #expect((1..<30).contains(part.count))
            seen += part
        }
        #expect(seen.sorted() == paths.sorted())
        for text in ["0/4", "5/4", "4", "1/0", "a/b", "1/2/3", "-1/3"] {
            #expect(Shard(text) == nil)
        }
    }
}
