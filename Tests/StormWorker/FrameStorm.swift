import Foundation
import VideoFrames

/// A process that uses a frame cache as fast as it can, for tests that run several and kill them:
/// `storm-worker frames VIDEO FOLDER LIMIT ROUNDS`.
///
/// Entry k holds the frames of one sampling with all pixels replaced by k. Every round takes a key at random,
/// compares what the cache has, and stores what it does not have. Prints hits, misses and warnings; ends
/// with 1 at the first frames that are wrong. With 0 rounds it goes on until it is killed.
struct FrameStorm {
    static let keys = 8

    static func key(_ number: Int, _ request: SamplingRequest) -> FrameCacheKey {
        FrameCacheKey(contentID: "sha256:\(number)", request)
    }

    static func run(_ arguments: [String]) throws -> Int32 {
        guard arguments.count == 4, let limit = Int64(arguments[2]),
            let rounds = Int(arguments[3])
        else { return 2 }
        let request = SamplingRequest(path: arguments[0], frames: 4, side: 160, resize: .swscale)
        let frames = try FrameSampler.sample(request)
        let cache = FrameCache(folder: arguments[1], limit: limit) { text in
            FileHandle.standardError.write(Data("warning: \(text)\n".utf8))
        }
        var (hits, misses) = (0, 0)
        while rounds == 0 || hits + misses < rounds {
            let number = Int.random(in: 0..<keys)
            var expected = frames
            expected.pixels = [UInt8](repeating: UInt8(number), count: frames.pixels.count)
            if let found = cache.load(key(number, request)) {
                hits += 1
                guard found.pixels == expected.pixels, found.frameIndex == expected.frameIndex
                else {
                    print("wrong frames under key \(number)")
                    return 1
                }
            } else {
                misses += 1
                cache.store(expected, key(number, request))
            }
        }
        print("\(hits) \(misses)")
        return 0
    }
}
