package import LongVA
import VideoFrames

/// What decides the visual tokens of a video; equal keys have equal tokens.
package struct VideoKey: Sendable, Hashable {
    let contentID: String
    let model: ModelKey
    let frames: Int
    let side: Int
    let sampling: SamplingMode
    let resize: ResizeFilter
    /// Encoding for a method that needs the class attention takes another path through the tower.
    let classAttention: Bool
}

/// The model that answers: one is loaded for each such key.
package struct ModelKey: Sendable, Hashable {
    package var directory: String
    package var dtype: ModelOptions.DTypeChoice
    package var weights: ModelOptions.WeightFormat
    /// Its content, as the job was enqueued with.
    package var fingerprint: String

    package init(
        directory: String, dtype: ModelOptions.DTypeChoice, weights: ModelOptions.WeightFormat,
        fingerprint: String
    ) {
        self.directory = directory
        self.dtype = dtype
        self.weights = weights
        self.fingerprint = fingerprint
    }
}

/// The visual tokens of the last videos, where they were computed: the next question about one of them
/// skips decoding and the vision tower. The least recently used go first.
struct EncodedVideos {
    /// Bytes of all tokens together.
    let limit: Int
    private(set) var bytes = 0
    /// From the least to the most recently used.
    private var entries: [(key: VideoKey, video: EncodedVideo, bytes: Int)] = []

    init(limit: Int) { self.limit = limit }

    var keys: [VideoKey] { entries.map(\.key) }

    func contains(_ key: VideoKey) -> Bool { entries.contains { $0.key == key } }

    /// The video, which becomes the most recently used; its encoding took no time now.
    mutating func video(_ key: VideoKey) -> EncodedVideo? {
        guard let index = entries.firstIndex(where: { $0.key == key }) else { return nil }
        entries.append(entries.remove(at: index))
        var video = entries[entries.count - 1].video
        video.milliseconds = 0
        return video
    }

    /// Keeps a video, unless it is larger than the limit by itself.
    mutating func keep(_ video: EncodedVideo, _ key: VideoKey) throws {
        remove { $0 == key }
        let size = try video.byteCount + video.classAttention.count * 4
        guard size <= limit else { return }
        while bytes + size > limit { bytes -= entries.removeFirst().bytes }
        entries.append((key, video, size))
        bytes += size
    }

    mutating func remove(where isUnwanted: (VideoKey) -> Bool) {
        entries.removeAll { isUnwanted($0.key) }
        bytes = entries.reduce(0) { $0 + $1.bytes }
    }
}
