import Synchronization
import VideoFrames

/// Which videos need no frames because their visual tokens are kept, or will be by the time that a job
/// asks for them. It is looked at while the model works on the job before, and may be wrong: whoever finds
/// no tokens samples after all.
final class VideoRegister: Sendable {
    /// What is known of the frames, without the pixels; the most recently announced last.
    private let known = Mutex<[(key: VideoKey, frames: SampledFrames)]>([])
    private let limit: Int

    init(limit: Int = 256) { self.limit = limit }

    /// The frames were sampled and are going to the model.
    func announce(_ frames: SampledFrames, _ key: VideoKey) {
        var facts = frames
        facts.pixels = []
        facts.noteShared()
        known.withLock { known in
            known.removeAll { $0.key == key }
            if known.count >= limit { known.removeFirst() }
            known.append((key, facts))
        }
    }

    /// - Returns: the frames' facts without pixels; `nil` where they must be sampled
    func frames(_ key: VideoKey) -> SampledFrames? {
        known.withLock { known in known.last { $0.key == key }?.frames }
    }

    func forget(_ isGone: (VideoKey) -> Bool) {
        known.withLock { known in known.removeAll { isGone($0.key) } }
    }
}

extension SampledFrames {
    /// What the next question's own row says about them.
    mutating func noteShared() {
        decodeMilliseconds = 0
        childPeakBytes = 0
        isFromCache = false
    }
}
