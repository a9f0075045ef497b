import Foundation
import Testing

@testable import Jobs

@Suite struct EnqueueTests {
    @Test func `the same question about the same content is one job`() async throws {
        let test = try TestQueue()
        let first = try await test.queue.enqueue(.sample, [.sample(video: 1), .sample(video: 2)])
        #expect(first.inserted.count == 2 && first.reused.isEmpty)

        var moved = NewJob.sample(video: 1)
        moved.video.path = "/videos/renamed.mp4"
        moved.customID = "other"
        moved.expected = "3"
        let again = try await test.queue.enqueue(.sample, [moved])
        #expect(again.inserted.isEmpty)
        #expect(again.reused.map(\.job) == [first.inserted[0]])
        #expect(again.reused.first?.state == .queued)
        let path = try await test.queue.show(first.inserted[0])?.job.video
        #expect(path == "/videos/renamed.mp4", "the file has moved, so must the worker")
    }

    @Test func `another question, choice list, config or content is another job`() async throws {
        let test = try TestQueue()
        let base = NewJob.sample(video: 1)
        var choices = base
        choices.choices = ["yes", "no"]
        var order = base
        order.choices = ["no", "yes"]
        var none = base
        none.choices = []
        var config = base
        config.config.fingerprint = "f2"
        let jobs = [
            base, choices, order, none, config, .sample(video: 2),
            .sample(video: 1, question: "How many carts?"),
        ]
        let report = try await test.queue.enqueue(.sample, jobs)
        #expect(report.inserted.count == jobs.count)
    }

    @Test func `the parts of a key cannot run into one another`() {
        func key(_ question: String, _ choices: [String]?) -> String {
            ContentIdentity.dedupeKey(
                contentID: "c", question: question, choices: choices, configFingerprint: "f")
        }
        let keys = [
            key("q", nil), key("q", []), key("q", [""]), key("q", ["a", "b"]), key("q", ["ab"]),
            key("q1:a", nil), key("q", ["a", "b1:c"]), key("q", ["a", "b", "c"]),
            key("q", ["ab", "c"]), key("q", ["a", "bc"]), key("q", ["", "abc"]),
        ]
        #expect(Set(keys).count == keys.count)
    }

    @Test func `twins within one call are one job`() async throws {
        let test = try TestQueue()
        let report = try await test.queue.enqueue(.sample, [.sample(video: 1), .sample(video: 1)])
        #expect(report.inserted.count == 1)
        #expect(report.reused.map(\.job) == report.inserted)
    }

    @Test func `two empty files are two failed rows, and stay two when enqueued again`()
        async throws
    {
        let test = try TestQueue()
        let paths = [
            try test.folder.write("", to: "a.mp4"), try test.folder.write("", to: "b.mp4"),
        ]
        let jobs = paths.map { path in
            let identity = ContentIdentity.ofBadFile(path)
            return NewJob(
                video: VideoRecord(
                    contentID: identity.id, path: path, sizeBytes: identity.sizeBytes,
                    mtimeNanoseconds: identity.mtimeNanoseconds, probeError: "empty"),
                config: .sample, question: "What?",
                failure: Failure(
                    errorClass: .input, code: "empty", message: "\(path): no bytes", stage: "probe")
            )
        }
        let first = try await test.queue.enqueue(.sample, jobs)
        #expect(first.rejected.count == 2 && first.inserted.isEmpty)
        let second = try await test.queue.enqueue(.sample, jobs)
        #expect(second.rejected.isEmpty && second.reused.map(\.job) == first.rejected)
        #expect(second.reused.allSatisfy { $0.state == .failed })

        let rows = try await test.queue.list(JobSelection(), limit: 10)
        #expect(rows.allSatisfy { $0.state == .failed && $0.errorClass == .input })
        #expect(rows.map(\.errorMessage) == paths.map { "\($0): no bytes" })
        let worker = try await test.worker()
        let claim = try await test.queue.claim(worker, filter: ClaimFilter(), lease: .seconds(9))
        #expect(claim == nil, "bad files cost no model time")
    }

    @Test func `a call that only reuses leaves no empty batch`() async throws {
        let test = try TestQueue()
        try await test.enqueue(2)
        try await test.enqueue(2)
        #expect(try await test.value("SELECT count(*) FROM batches") == 1)
    }

    @Test func `one bad item keeps the whole call out`() async throws {
        let test = try TestQueue()
        var bad = NewJob.sample(video: 2)
        bad.priority = 5000
        let kind = await errorKind { [bad] in
            _ = try await test.queue.enqueue(.sample, [.sample(video: 1), bad])
        }
        #expect(kind == .invalid)
        #expect(try await test.value("SELECT count(*) FROM jobs") == 0)
        #expect(try await test.value("SELECT count(*) FROM videos") == 0)
    }

    @Test func `a known file need not be hashed again, a touched or bad one must`() async throws {
        let test = try TestQueue()
        var job = NewJob.sample(video: 1)
        job.video.frameCount = 250
        var bad = NewJob.sample(video: 2)
        bad.video.contentID = "bad:/videos/2.mp4:100:5"
        bad.failure = .sample(.input)
        _ = try await test.queue.enqueue(.sample, [job, bad])
        func known(_ path: String, _ size: Int64, _ time: Int64) async throws -> VideoRecord? {
            try await test.queue.knownVideo(path: path, sizeBytes: size, mtimeNanoseconds: time)
        }
        #expect(try await known("/videos/1.mp4", 100, 5) == job.video)
        #expect(try await known("/videos/1.mp4", 100, 6) == nil)
        #expect(try await known("/videos/1.mp4", 101, 5) == nil)
        #expect(try await known("/videos/3.mp4", 100, 5) == nil)
        #expect(try await known("/videos/2.mp4", 100, 5) == nil)
        #expect(try await known("/videos/1.mp4", 100, 5)?.contentID == "sha256:1")
    }

    @Test func `a file's identity is the sha256 of its bytes`() throws {
        let folder = try TemporaryFolder()
        let small = try folder.write("abc", to: "abc")
        #expect(
            try ContentIdentity.ofFile(small).id
                == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        // A million times "a", the long test vector of FIPS 180, crosses the block size.
        let long = try folder.write(String(repeating: "a", count: 1_000_000), to: "long")
        let identity = try ContentIdentity.ofFile(long)
        #expect(
            identity.id
                == "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
        #expect(identity.sizeBytes == 1_000_000 && identity.mtimeNanoseconds > 0)
    }

    @Test func `a file that cannot be read is an input failure that names it`() throws {
        let folder = try TemporaryFolder()
        for path in [folder.file("missing.mp4"), folder.path] {
            let failure = #expect(throws: Failure.self) { try ContentIdentity.ofFile(path) }
            #expect(failure?.errorClass == .input && failure?.code == "unreadable")
            #expect(failure?.message.contains(path) == true)
        }
        #expect(ContentIdentity.ofBadFile("/none.mp4").id == "bad:/none.mp4:-1:0")
    }
}
