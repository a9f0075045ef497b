import Foundation
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
            let error = #expect(throws: EnqueueError.self) { try plan.find() }
            #expect(error?.description.contains(path) == true)
            plan.allowsEmpty = true
            let found = try plan.find()
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
        #expect(try plan.find().items.map(\.question) == ["One?", "Two?"])
    }

    @Test func `each file is probed once, and what is no video becomes failed jobs`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        let good = try Self.write("a video", fixture.folder, "good.mp4")
        let copy = try Self.write("a video", fixture.folder, "copy.mp4")
        let bad = try Self.write("", fixture.folder, "bad.mp4")
        let other = try Self.write("", fixture.folder, "other.mp4")
        let probes = Mutex<[String]>([])
        let enqueuer = Enqueuer(queue: fixture.queue) { path in
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
        let enqueuer = Enqueuer(queue: fixture.queue) { _ in
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
        let enqueuer = Enqueuer(queue: fixture.queue) { _ in
            probes.withLock { $0 += 1 }
            return Self.facts
        }
        let items = [EnqueueItem(path: path, question: "What?")]
        let batch = BatchSpec(name: "b", source: "-", specJSON: "{}")
        for round in 1...2 {
            let jobs = try await enqueuer.jobs(items, Self.template)
            let report = try await fixture.queue.enqueue(batch, jobs)
            #expect(report.reused.count == round - 1)
        }
        #expect(probes.withLock { $0 } == 1)
        _ = try Self.write("another video", fixture.folder, "good.mp4")
        let jobs = try await enqueuer.jobs(items, Self.template)
        #expect(probes.withLock { $0 } == 2)
        #expect(try await fixture.queue.enqueue(batch, jobs).inserted.count == 1)
    }
}
