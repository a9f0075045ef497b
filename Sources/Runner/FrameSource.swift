import Glibc
package import Jobs
import Synchronization
package import VideoFrames

/// Frames of videos: from the cache where they are kept under the video's content, else from the sampling
/// child.
package final class FrameSource: Sendable {
    /// A request and its time budget.
    typealias Sampling = @Sendable (SamplingRequest, Duration?) async throws -> SampledFrames

    private let sample: Sampling
    private let cache: FrameCache?
    private let decoding: DecodingChoice
    /// Files that were hashed by this process, by path.
    private let hashed = Mutex<[String: ContentIdentity]>([:])

    /// - Parameter cache: `nil` samples every time
    package convenience init(
        _ sampler: SamplerProcess, cache: FrameCache?, decoding: DecodingChoice
    ) {
        self.init(cache: cache, decoding: decoding) {
            try await sampler.sample($0, timeBudget: $1)
        }
    }

    init(
        cache: FrameCache?, decoding: DecodingChoice = DecodingChoice(),
        sample: @escaping Sampling
    ) {
        self.sample = sample
        self.cache = cache
        self.decoding = decoding
    }

    /// - Parameters:
    ///   - request: what is sampled; threads and hardware are this source's own
    ///   - video: what the queue knows of the file, which spares reading it for its identity
    ///   - usesCache: false samples, and keeps nothing
    /// - Throws: what `SamplerProcess.sample` throws
    package func frames(
        _ request: SamplingRequest, of video: VideoRecord? = nil, timeBudget: Duration? = nil,
        usesCache: Bool = true
    ) async throws -> SampledFrames {
        var request = request
        request.threads = decoding.threads
        request.hardware = decoding.hardware
        guard usesCache, let cache, let file = ContentIdentity.statistics(request.path),
            let content = content(of: request.path, file, video)
        else { return try await sample(request, timeBudget) }
        let key = FrameCacheKey(contentID: content, request)
        if let frames = cache.load(key) { return frames }
        let frames = try await sample(request, timeBudget)
        // Frames of a file that was replaced meanwhile are not those of the content that was asked for.
        if let now = ContentIdentity.statistics(request.path), now == file {
            cache.store(frames, key)
        }
        return frames
    }

    /// - Returns: the identity of the file as it stands there with this size and time; `nil` where it
    ///   cannot be known, for reasons that the sampler will name
    private func content(
        of path: String, _ file: (size: Int64, mtime: Int64), _ video: VideoRecord?
    ) -> String? {
        if let video, video.sizeBytes == file.size, video.mtimeNanoseconds == file.mtime {
            // A file that was bad when it was enqueued has no content to go by.
            return video.contentID.hasPrefix("sha256:") ? video.contentID : nil
        }
        func isCurrent(_ identity: ContentIdentity) -> Bool {
            identity.sizeBytes == file.size && identity.mtimeNanoseconds == file.mtime
        }
        if let known = hashed.withLock({ $0[path] }), isCurrent(known) { return known.id }
        var facts = stat()
        // Opening a pipe may block for ever.
        guard stat(path, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG,
            let identity = try? ContentIdentity.ofFile(path), isCurrent(identity)
        else { return nil }
        hashed.withLock { $0[path] = identity }
        return identity.id
    }
}
