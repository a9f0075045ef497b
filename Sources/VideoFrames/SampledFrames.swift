/// The sampled frames of one video.
package struct SampledFrames: Sendable, Codable {
    /// [N, height, width, 3] RGB. Not part of the encoded form.
    package var pixels: [UInt8] = []
    /// N
    package var count: Int
    package var width: Int
    package var height: Int
    /// Index in presentation order of the frame that each row shows.
    package var frameIndex: [Int]
    /// The index that was asked for. It differs from `frameIndex` where a frame could not be read, and
    /// where only key frames were to be decoded.
    package var requestedIndex: [Int]
    /// Presentation time of each row in milliseconds from the first displayed frame.
    package var framePTSMilliseconds: [Double]
    package var facts: VideoFacts
    package var warnings: [String]
    /// How the frames were chosen.
    package var sampling: SamplingMode
    /// What decoded them: `none` is the processor.
    package var hardware: HardwareDecoding
    package var decodeMilliseconds: Double
    /// Highest resident size of the sampling child; 0 when sampled in this process.
    package var childPeakBytes: Int64
    package var packetsRead: Int
    /// Frames that came out of the decoder.
    package var framesDecoded: Int
    /// Frames that any exact sampler must decode: from the key frame to the last target of each group of
    /// pictures, less those that no other frame refers to.
    package var framesNeeded: Int
    /// Read from a `FrameCache` instead of the video. Not part of the encoded form.
    package var isFromCache = false

    private enum CodingKeys: String, CodingKey {
        case count, width, height, frameIndex, requestedIndex, framePTSMilliseconds, facts, warnings
        case sampling, hardware
        case decodeMilliseconds, childPeakBytes, packetsRead, framesDecoded, framesNeeded
    }
}
