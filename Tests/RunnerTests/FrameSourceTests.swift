import Foundation
import Glibc
import Jobs
import Synchronization
import Testing
import VideoFrames

@testable import Runner

/// A folder for files, and a source that counts how often it samples.
private struct SourceFixture {
    let root: URL
    let source: FrameSource
    let sampled = Counter()

    final class Counter: Sendable {
        private let value = Mutex(0)
        var count: Int { value.withLock { $0 } }
        func add() { value.withLock { $0 += 1 } }
    }

    /// - Parameter during: called while it samples
    init(during: @escaping @Sendable (String) throws -> Void = { _ in }) throws {
        root = FileManager.default.temporaryDirectory.appending(path: "source-\(UUID())")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        let clip = FrameSourceTests.clip
        let sampled = self.sampled
        source = FrameSource(
            cache: FrameCache(folder: root.path + "/cache") { Issue.record("\($0)") }
        ) { request, _ in
            sampled.add()
            try during(request.path)
            return try FrameSampler.sample(
                SamplingRequest(path: clip, frames: request.frames, side: request.side))
        }
    }

    func remove() { try? FileManager.default.removeItem(at: root) }

    func write(_ text: String, _ name: String) throws -> String {
        let path = root.appending(path: name).path
        try Data(text.utf8).write(to: URL(filePath: path))
        return path
    }

    func frames(
        _ path: String, of video: VideoRecord? = nil, usesCache: Bool = true
    ) async throws -> SampledFrames {
        try await source.frames(
            SamplingRequest(path: path, frames: 2, side: 16), of: video, usesCache: usesCache)
    }
}

@Suite struct FrameSourceTests {
    static let clip = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "jobs/demo/videos/generated_1.mp4").path

    @Test func `The same content is sampled once, under whatever name`() async throws {
        let fixture = try SourceFixture()
        defer { fixture.remove() }
        let first = try await fixture.frames(fixture.write("same", "a.mp4"))
        #expect(!first.isFromCache)
        for name in ["a.mp4", "b.mp4"] {
            let again = try await fixture.frames(fixture.write("same", name))
            #expect(again.isFromCache)
            #expect(again.pixels == first.pixels)
        }
        #expect(fixture.sampled.count == 1)
        #expect(try await !fixture.frames(fixture.write("more", "a.mp4")).isFromCache)
        #expect(fixture.sampled.count == 2)
    }

    @Test func `Without the cache it samples every time and keeps nothing`() async throws {
        let fixture = try SourceFixture()
        defer { fixture.remove() }
        let path = try fixture.write("same", "a.mp4")
        for _ in 1...2 { _ = try await fixture.frames(path, usesCache: false) }
        #expect(fixture.sampled.count == 2)
        #expect(!FileManager.default.fileExists(atPath: fixture.root.path + "/cache"))
    }

    @Test func `What the queue knows of an unchanged file is its identity`() async throws {
        let fixture = try SourceFixture()
        defer { fixture.remove() }
        let path = try fixture.write("same", "a.mp4")
        let found = try #require(ContentIdentity.statistics(path))
        var video = VideoRecord(
            contentID: "sha256:queue", path: path, sizeBytes: found.size,
            mtimeNanoseconds: found.mtime)
        _ = try await fixture.frames(path, of: video)
        #expect(try await fixture.frames(path, of: video).isFromCache)
        // By its own hash the file is not known.
        #expect(try await !fixture.frames(path).isFromCache)
        // A touched file is what it hashes to.
        video.mtimeNanoseconds -= 1
        video.contentID = "sha256:other"
        #expect(try await fixture.frames(path, of: video).isFromCache)
        // A file that was bad has no content.
        video = VideoRecord(
            contentID: "bad:a", path: path, sizeBytes: found.size, mtimeNanoseconds: found.mtime)
        #expect(try await !fixture.frames(path, of: video).isFromCache)
        #expect(try await !fixture.frames(path, of: video).isFromCache)
    }

    @Test func `A file that is replaced while it is sampled leaves nothing behind`() async throws {
        let fixture = try SourceFixture { path in
            try Data("longer than before".utf8).write(to: URL(filePath: path))
        }
        defer { fixture.remove() }
        _ = try await fixture.frames(fixture.write("old", "a.mp4"))
        #expect(try await !fixture.frames(fixture.write("old", "b.mp4")).isFromCache)
        #expect(fixture.sampled.count == 2)
    }

    @Test func `Threads and hardware are the machine's, and no part of what is kept`() async throws
    {
        let folder = FileManager.default.temporaryDirectory.appending(path: "source-\(UUID())")
        defer { try? FileManager.default.removeItem(at: folder) }
        let asked = Mutex<[DecodingChoice]>([])
        let choices = [
            DecodingChoice(threads: 1), DecodingChoice(threads: 3, hardware: .auto),
            DecodingChoice(),
        ]
        for choice in choices {
            let source = FrameSource(
                cache: FrameCache(folder: folder.path) { Issue.record("\($0)") }, decoding: choice
            ) { request, _ in
                asked.withLock {
                    $0.append(.init(threads: request.threads, hardware: request.hardware))
                }
                return try FrameSampler.sample(request)
            }
            let request = SamplingRequest(path: Self.clip, frames: 2, side: 16, mode: .keyframe)
            let frames = try await source.frames(request)
            #expect(frames.isFromCache == (choice != choices[0]))
            #expect(frames.sampling == .keyframe)
            _ = try await source.frames(request, usesCache: false)
        }
        #expect(asked.withLock(\.self) == [choices[0]] + choices)
    }

    @Test func `The rows that show another frame are named with both frames`() throws {
        var frames = try FrameSampler.sample(SamplingRequest(path: Self.clip, frames: 5, side: 16))
        #expect(frames.substituted.isEmpty)
        frames.requestedIndex = [0, 10, 20, 30, 40]
        frames.frameIndex = [0, 12, 20, 12, 40]
        #expect(
            frames.substituted == [
                SubstitutedFrame(row: 1, requested: 10, shown: 12),
                SubstitutedFrame(row: 3, requested: 30, shown: 12),
            ])
    }

    @Test func `A missing file, a folder and a pipe go to the sampler at once`() async throws {
        let fixture = try SourceFixture()
        defer { fixture.remove() }
        let pipe = fixture.root.path + "/pipe"
        mkfifo(pipe, 0o600)
        for path in ["/none/a.mp4", fixture.root.path, pipe] {
            #expect(try await !fixture.frames(path).isFromCache)
        }
        #expect(fixture.sampled.count == 3)
    }
}

/// Several processes on one cache folder.
@Suite(.serialized) struct FrameStormTests {
    /// - Parameter prelude: what a shell does before it becomes the worker
    private static func start(
        _ folder: String, limit: Int64, rounds: Int, streams: String, prelude: String = ""
    ) throws -> Process {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let worker = URL(filePath: own).deletingLastPathComponent().appending(path: "storm-worker")
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = [
            "-c", "\(prelude) exec \"$0\" \"$@\"", worker.path, "frames", FrameSourceTests.clip,
            folder, "\(limit)", "\(rounds)",
        ]
        for name in ["out", "err"] {
            try Data().write(to: URL(filePath: "\(streams).\(name)"))
        }
        process.standardOutput = try FileHandle(
            forWritingTo: URL(filePath: "\(streams).out"))
        process.standardError = try FileHandle(forWritingTo: URL(filePath: "\(streams).err"))
        try process.run()
        return process
    }

    private static let pixels: Int64 = 4 * 160 * 160 * 3

    private static func total(_ folder: String) throws -> Int64 {
        try FileManager.default.contentsOfDirectory(atPath: folder)
            .filter { $0.hasSuffix(".frames") }
            .reduce(0) { $0 + (ContentIdentity.statistics("\(folder)/\($1)")?.size ?? 0) }
    }

    @Test func `Three processes on one folder read what was written, within the limit`() throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "storm-\(UUID())")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: root) }
        let folder = root.path + "/frames"
        // Room for half of the keys: readers lose files that others evict.
        let limit = Self.pixels * 4 + Self.pixels / 2
        let workers = try (1...3).map {
            try Self.start(folder, limit: limit, rounds: 200, streams: "\(root.path)/\($0)")
        }
        for (number, worker) in workers.enumerated() {
            worker.waitUntilExit()
            let said = try String(contentsOfFile: "\(root.path)/\(number + 1).out", encoding: .utf8)
            let errors = try String(
                contentsOfFile: "\(root.path)/\(number + 1).err", encoding: .utf8)
            #expect(worker.terminationStatus == 0, "\(said)\(errors)")
            #expect(errors.isEmpty, "\(errors)")
            let counts = said.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
            #expect(counts.count == 2 && counts.allSatisfy { $0 > 0 }, "\(said)")
        }
        #expect(try Self.total(folder) <= limit)
    }

    @Test func `A write that fails half-way costs one warning and leaves nothing`() throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "storm-\(UUID())")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: root) }
        // The system takes the first 50 or 100 KiB of a file, as a full disk would.
        let worker = try Self.start(
            root.path + "/frames", limit: 1 << 30, rounds: 20, streams: root.path + "/w",
            prelude: "trap '' XFSZ; ulimit -f 100;")
        worker.waitUntilExit()
        let errors = try String(contentsOfFile: root.path + "/w.err", encoding: .utf8)
        #expect(worker.terminationStatus == 0, "\(errors)")
        #expect(errors.split(separator: "\n").count == 1)
        #expect(errors.contains("cannot be written: File too large; sampled frames are not kept"))
        #expect(try String(contentsOfFile: root.path + "/w.out", encoding: .utf8) == "0 20\n")
        let files = try FileManager.default.contentsOfDirectory(atPath: root.path + "/frames")
        #expect(files == [".lock"])
    }

    @Test func `Killed writers leave nothing that is read`() async throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "storm-\(UUID())")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: root) }
        let folder = root.path + "/frames"
        // Room for two entries: nearly every round writes.
        let limit = Self.pixels * 2 + Self.pixels / 2
        for round in 1...12 {
            let worker = try Self.start(
                folder, limit: limit, rounds: 0, streams: "\(root.path)/\(round)")
            // Once it writes, any moment is as good as another.
            let lock = folder + "/.lock"
            while round == 1, !FileManager.default.fileExists(atPath: lock) {
                try #require(worker.isRunning)
                try await Task.sleep(for: .milliseconds(5))
            }
            try await Task.sleep(for: .milliseconds(round == 1 ? 50 : 250 + 37 * round))
            kill(worker.processIdentifier, SIGKILL)
            worker.waitUntilExit()
            #expect(worker.terminationReason == .uncaughtSignal)
            #expect(
                try String(contentsOfFile: "\(root.path)/\(round).err", encoding: .utf8).isEmpty)
        }
        #expect(try Self.total(folder) <= limit)
        // Whoever comes next finds sound entries only, and no lock.
        let last = try Self.start(folder, limit: limit, rounds: 60, streams: root.path + "/last")
        last.waitUntilExit()
        #expect(last.terminationStatus == 0)
        #expect(try String(contentsOfFile: root.path + "/last.err", encoding: .utf8).isEmpty)
    }
}
