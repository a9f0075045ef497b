package import LongVA
import SparsePrefill
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

/// What decides the prefix of all questions about a video by one method.
struct PrefixKey: Hashable {
    let video: VideoKey
    let settings: PrefillConfiguration
}
