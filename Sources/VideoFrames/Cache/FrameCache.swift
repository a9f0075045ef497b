internal import Glibc
internal import Synchronization

/// Sampled frames on the disk, so that a second question about a video does not decode it again.
///
/// Bounded by bytes, the least recently used entries going first; an entry's modification time is when it
/// was last used. Any number of processes share a folder. Nothing that goes wrong here stops anybody: what
/// cannot be read is sampled, what cannot be kept is not.
package final class FrameCache: Sendable {
    private let folder: FrameCacheFolder
    private let warn: @Sendable (String) -> Void
    /// Whether new entries are kept: not after the first failure.
    private let isKeeping = Mutex(true)

    package static let standardLimit: Int64 = 4 << 30

    /// - Parameters:
    ///   - folder: made at the first entry
    ///   - limit: bytes of all entries together
    ///   - reserve: bytes of the file system that entries leave to others, the queue among them
    ///   - warn: called with what went wrong, once for each damaged entry and once when no more is kept
    package init(
        folder: String, limit: Int64 = standardLimit, reserve: Int64 = 256 << 20,
        warn: @escaping @Sendable (String) -> Void
    ) {
        self.folder = FrameCacheFolder(path: folder, limit: limit, reserve: reserve)
        self.warn = warn
    }

    /// `$XDG_CACHE_HOME/zipvl-batch/frames`, else `~/.cache/zipvl-batch/frames`.
    ///
    /// - Returns: `nil` where neither is known. Relative paths do not count, as the XDG Base Directory
    ///   Specification says.
    package static func standardFolder(_ environment: [String: String]) -> String? {
        func folder(_ name: String, _ rest: String) -> String? {
            guard let path = environment[name], path.hasPrefix("/") else { return nil }
            return path + rest
        }
        return folder("XDG_CACHE_HOME", "/zipvl-batch/frames")
            ?? folder("HOME", "/.cache/zipvl-batch/frames")
    }

    /// - Returns: the frames as they were sampled, `nil` if they are not here. `decodeMilliseconds` is
    ///   what reading took, `isFromCache` is set, and no child was at work; `packetsRead` and
    ///   `framesDecoded` are those of the sampling that made the entry.
    package func load(_ key: FrameCacheKey) -> SampledFrames? {
        let start = ContinuousClock.now
        let path = "\(folder.path)/\(key.fileName)"
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        do throws(FrameCacheEntry.Damage) {
            guard var frames = try FrameCacheEntry.read(descriptor, key) else { return nil }
            futimens(descriptor, nil)
            frames.isFromCache = true
            frames.childPeakBytes = 0
            frames.decodeMilliseconds = (ContinuousClock.now - start).milliseconds
            return frames
        } catch {
            unlink(path)
            warn("\(path): \(error.text); deleted, the video is sampled again")
            return nil
        }
    }

    /// Keeps frames. The first failure ends all keeping by this object, with a warning: a full disk does
    /// not become less full by being written to once more for each video.
    package func store(_ frames: SampledFrames, _ key: FrameCacheKey) {
        guard isKeeping.withLock({ $0 }), let head = try? FrameCacheEntry.head(of: frames, key)
        else { return }
        do throws(FrameCacheFolder.Failure) {
            try folder.add([head, frames.pixels], as: key.fileName)
        } catch {
            let isFirst = isKeeping.withLock { isKeeping in
                defer { isKeeping = false }
                return isKeeping
            }
            if isFirst {
                warn("\(folder.path): \(error.text); sampled frames are not kept any more")
            }
        }
    }
}
