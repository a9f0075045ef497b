import Foundation
import Glibc
import Synchronization

@testable import VideoFrames

/// A cache in a folder of its own that remembers its warnings.
struct CacheFixture {
    let root: URL
    let cache: FrameCache
    private let heard = Warnings()

    private final class Warnings: Sendable { let texts = Mutex<[String]>([]) }

    init(limit: Int64 = 1 << 30, reserve: Int64 = 0, folder: String = "a/frames") throws {
        root = FileManager.default.temporaryDirectory.appending(path: "cache-\(UUID())")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        let heard = self.heard
        cache = FrameCache(
            folder: root.appending(path: folder).path, limit: limit, reserve: reserve
        ) { text in heard.texts.withLock { $0.append(text) } }
    }

    func remove() { try? FileManager.default.removeItem(at: root) }

    var folder: String { root.path + "/a/frames" }
    var warnings: [String] { heard.texts.withLock { $0 } }

    func path(_ key: FrameCacheKey) -> String { "\(folder)/\(key.fileName)" }

    /// Names of all files but the lock.
    var files: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
            .filter { $0 != ".lock" }.sorted()
    }

    /// Makes an entry or another file look as if it was last used so many seconds ago.
    func age(_ path: String, by seconds: Int) {
        let moment = timespec(tv_sec: time(nil) - seconds, tv_nsec: 0)
        utimensat(AT_FDCWD, path, [moment, moment], 0)
    }

    /// Frames of one kilobyte of pixels, told apart by their bytes.
    static func frames(_ value: UInt8, _ request: SamplingRequest) -> SampledFrames {
        let facts = VideoFacts(
            container: "c", codec: "d", width: 8, height: 8, rotation: 0, durationMilliseconds: 1,
            frameCount: 2, framesPerSecond: 1)
        let count = request.frames
        return SampledFrames(
            pixels: [UInt8](repeating: value, count: count * request.side * request.side * 3),
            count: count, width: request.side, height: request.side,
            frameIndex: Array(repeating: 0, count: count),
            requestedIndex: Array(repeating: 0, count: count),
            framePTSMilliseconds: Array(repeating: 0, count: count), facts: facts, warnings: [],
            sampling: request.mode, hardware: .none,
            decodeMilliseconds: 5, childPeakBytes: 7, packetsRead: 3, framesDecoded: 2,
            framesNeeded: 1)
    }

    static let request = SamplingRequest(path: "x.mp4", frames: 5, side: 8)

    static func key(_ number: Int) -> FrameCacheKey {
        FrameCacheKey(contentID: "sha256:\(number)", request)
    }
}
