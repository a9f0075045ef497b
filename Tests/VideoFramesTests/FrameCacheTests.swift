import Foundation
import Glibc
import Testing

@testable import VideoFrames

@Suite struct FrameCacheTests {
    private let request = CacheFixture.request

    private func key(_ number: Int) -> FrameCacheKey { CacheFixture.key(number) }

    private func frames(_ value: UInt8, _ request: SamplingRequest) -> SampledFrames {
        CacheFixture.frames(value, request)
    }

    @Test(arguments: ["h264_bframes.mp4", "corrupt_zeros.mp4", "two_frames.mp4", "h264_vfr.mp4"])
    func `A hit is the sampling in every bit, with all that a row needs`(_ file: String) throws {
        let fixture = try CacheFixture()
        defer { fixture.remove() }
        let request = SamplingRequest(path: try EdgeCorpus.path(file), frames: 12, side: 56)
        let key = FrameCacheKey(contentID: "sha256:a", request)
        #expect(fixture.cache.load(key) == nil)
        var sampled = try FrameSampler.sample(request)
        sampled.childPeakBytes = 1 << 20
        fixture.cache.store(sampled, key)
        let found = try #require(fixture.cache.load(key))
        #expect(found.pixels == sampled.pixels)
        #expect((found.width, found.height, found.count) == (56, 56, 12))
        #expect(found.frameIndex == sampled.frameIndex)
        #expect(found.requestedIndex == sampled.requestedIndex)
        #expect(found.framePTSMilliseconds == sampled.framePTSMilliseconds)
        #expect(found.warnings == sampled.warnings)
        #expect(found.facts == sampled.facts)
        #expect(found.framesDecoded == sampled.framesDecoded)
        #expect(found.framesNeeded == sampled.framesNeeded)
        #expect(found.packetsRead == sampled.packetsRead)
        // What it is: read, by nobody's child.
        #expect(found.isFromCache && !sampled.isFromCache)
        #expect(found.childPeakBytes == 0)
        #expect(found.decodeMilliseconds > 0)
        #expect(found.decodeMilliseconds != sampled.decodeMilliseconds)
        if file.hasPrefix("corrupt") { #expect(found.frameIndex != found.requestedIndex) }
        #expect(fixture.warnings.isEmpty)
    }

    @Test func `Another content, parameter or sampler misses; another path does not`() throws {
        let fixture = try CacheFixture()
        defer { fixture.remove() }
        fixture.cache.store(frames(1, request), key(1))
        var changes: [FrameCacheKey] = [key(2)]
        for change in [
            { $0.frames = 6 }, { $0.side = 9 }, { $0.side = 0 }, { $0.resize = .swscale },
        ] as [(inout SamplingRequest) -> Void] {
            var other = request
            change(&other)
            changes.append(FrameCacheKey(contentID: "sha256:1", other))
        }
        changes.append(
            FrameCacheKey(contentID: "sha256:1", request, version: FrameSampler.version + 1))
        for change in changes { #expect(fixture.cache.load(change) == nil) }
        #expect(Set(changes.map(\.fileName)).count == changes.count)
        var elsewhere = request
        elsewhere.path = "/another/name.mkv"
        #expect(
            fixture.cache.load(FrameCacheKey(contentID: "sha256:1", elsewhere))?.pixels
                == frames(1, request).pixels)
        // Even under the same file name.
        rename(fixture.path(key(1)), fixture.path(key(2)))
        #expect(fixture.cache.load(key(2)) == nil)
        #expect(fixture.warnings.isEmpty)
    }

    @Test func `What was not used for longest goes when there is no room`() throws {
        let size = try entrySize()
        let fixture = try CacheFixture(limit: 3 * size + size / 2)
        defer { fixture.remove() }
        for number in 1...3 {
            fixture.cache.store(frames(UInt8(number), request), key(number))
            fixture.age(fixture.path(key(number)), by: 100 - 10 * number)
        }
        #expect(fixture.files.count == 3)
        // The oldest is used, so that the second is the one to go.
        #expect(fixture.cache.load(key(1)) != nil)
        fixture.cache.store(frames(4, request), key(4))
        #expect(fixture.cache.load(key(2)) == nil)
        for number in [1, 3, 4] {
            #expect(fixture.cache.load(key(number))?.pixels.first == UInt8(number))
        }
        // An entry that replaces itself needs no room of another.
        fixture.cache.store(frames(1, request), key(1))
        #expect(fixture.files.count == 3)
        // One that could never fit costs nobody anything.
        let large = SamplingRequest(path: "x", frames: 64, side: 8)
        fixture.cache.store(frames(9, large), FrameCacheKey(contentID: "sha256:9", large))
        #expect(fixture.files.count == 3)
        #expect(fixture.warnings.isEmpty)
    }

    private func entrySize() throws -> Int64 {
        Int64(try FrameCacheEntry.head(of: frames(1, request), key(1)).count)
            + Int64(frames(1, request).pixels.count)
    }

    @Test func `A damaged entry is deleted with a warning, wherever the damage is`() throws {
        let fixture = try CacheFixture()
        defer { fixture.remove() }
        fixture.cache.store(frames(1, request), key(1))
        let path = fixture.path(key(1))
        let sound = [UInt8](try Data(contentsOf: URL(filePath: path)))
        var damaged: [[UInt8]] = [[], Array(sound.prefix(39)), sound + [0]]
        for cut in [40, sound.count / 3, sound.count - 1] { damaged.append(Array(sound[..<cut])) }
        // Magic, both lengths (their highest bytes, too), checksum, header, pixels.
        for place in [0, 8, 15, 16, 23, 24, 39, 41, sound.count - 900, sound.count - 1] {
            var bytes = sound
            bytes[place] ^= 0x81
            damaged.append(bytes)
        }
        damaged.append([UInt8](repeating: 0, count: sound.count))
        for (number, bytes) in damaged.enumerated() {
            try Data(bytes).write(to: URL(filePath: path))
            #expect(fixture.cache.load(key(1)) == nil, "damage \(number)")
            #expect(fixture.warnings.count == number + 1, "damage \(number)")
            #expect(fixture.warnings.last?.contains(path) == true)
            #expect(fixture.files.isEmpty)
        }
        fixture.cache.store(frames(1, request), key(1))
        #expect(fixture.cache.load(key(1))?.pixels == frames(1, request).pixels)
    }

    @Test func `A reader whose file is deleted meanwhile reads it to its end`() throws {
        let fixture = try CacheFixture()
        defer { fixture.remove() }
        fixture.cache.store(frames(3, request), key(3))
        let descriptor = open(fixture.path(key(3)), O_RDONLY)
        defer { close(descriptor) }
        unlink(fixture.path(key(3)))
        #expect(try FrameCacheEntry.read(descriptor, key(3))?.pixels == frames(3, request).pixels)
    }

    @Test(arguments: [false, true])
    func `A folder that cannot be used gives one warning`(_ isBlocked: Bool) throws {
        let fixture =
            isBlocked ? try CacheFixture() : try CacheFixture(reserve: .max / 4)
        defer { fixture.remove() }
        if isBlocked { try Data().write(to: fixture.root.appending(path: "a")) }
        for number in 1...3 {
            #expect(fixture.cache.load(key(number)) == nil)
            fixture.cache.store(frames(1, request), key(number))
        }
        #expect(fixture.warnings.count == 1)
        let said = fixture.warnings.first ?? ""
        #expect(said.contains(fixture.folder))
        #expect(said.contains(isBlocked ? "Not a directory" : "the disk is full"), "\(said)")
        #expect(fixture.files.isEmpty)
    }

    @Test func `A disk that fills makes room by dropping old entries`() throws {
        let fixture = try CacheFixture()
        defer { fixture.remove() }
        for number in 1...2 { fixture.cache.store(frames(1, request), key(number)) }
        let full = FrameCache(folder: fixture.folder, reserve: .max / 4) { _ in }
        full.store(frames(1, request), key(3))
        #expect(fixture.files.isEmpty)
    }

    @Test func `What a killed writer left is removed, what a living one writes is not`() throws {
        let fixture = try CacheFixture()
        defer { fixture.remove() }
        fixture.cache.store(frames(1, request), key(1))
        let (dead, living) = (fixture.folder + "/1-1.partial", fixture.folder + "/1-2.partial")
        for path in [dead, living] {
            try Data([1, 2, 3]).write(to: URL(filePath: path))
            fixture.age(path, by: 60)
        }
        let descriptor = open(living, O_RDONLY)
        defer { close(descriptor) }
        flock(descriptor, LOCK_EX)
        fixture.cache.store(frames(2, request), key(2))
        #expect(!FileManager.default.fileExists(atPath: dead))
        #expect(FileManager.default.fileExists(atPath: living))
        #expect(fixture.files.count == 3)
    }

    @Test func `A process that stopped with the lock stops no other`() throws {
        let fixture = try CacheFixture()
        defer { fixture.remove() }
        fixture.cache.store(frames(1, request), key(1))
        let descriptor = open(fixture.folder + "/.lock", O_RDWR)
        defer { close(descriptor) }
        try #require(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
        let start = ContinuousClock.now
        fixture.cache.store(frames(2, request), key(2))
        #expect(ContinuousClock.now - start < .seconds(10))
        #expect(fixture.cache.load(key(2)) == nil)
        #expect(fixture.cache.load(key(1)) != nil)
        flock(descriptor, LOCK_UN)
        fixture.cache.store(frames(2, request), key(2))
        #expect(fixture.cache.load(key(2)) != nil)
        #expect(fixture.warnings.isEmpty)
    }

    @Test func `The folder is where the XDG specification says`() {
        let rest = "/zipvl-batch/frames"
        for (environment, folder) in [
            (["XDG_CACHE_HOME": "/c", "HOME": "/h"], "/c" + rest),
            (["XDG_CACHE_HOME": "c", "HOME": "/h"], "/h/.cache" + rest),
            (["XDG_CACHE_HOME": "", "HOME": "/h"], "/h/.cache" + rest),
            (["HOME": "/h"], "/h/.cache" + rest), ([:], nil),
        ] as [([String: String], String?)] {
            #expect(FrameCache.standardFolder(environment) == folder)
        }
    }
}
