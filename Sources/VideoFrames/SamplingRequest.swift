/// How frames are chosen.
package enum SamplingMode: String, Codable, Sendable {
    /// Evenly spaced by frame index, each the frame of that index and no other.
    case exact
    /// Evenly spaced in seconds, each the frame that is on the screen at that time.
    case time
    /// The key frame nearest to each frame of `exact`: quick, and not the frame that was asked for.
    case keyframe
}

/// How a frame becomes S x S.
package enum ResizeFilter: String, Codable, Sendable {
    /// Bicubic with antialiasing, equal to Pillow's in every bit.
    case pillow
    /// The same geometry through libswscale: faster, not equal.
    case swscale
}

/// What of a frame becomes S x S.
package enum FrameGeometry: String, Codable, Sendable {
    /// Shortest edge to S, then the centre: the preprocessing of CLIP's image processor.
    case crop
    /// All of it, the aspect ratio ignored, through libswscale, pixels averaged where it shrinks: the size that
    /// most frame readers offer.
    case squash
}

/// What decodes.
package enum HardwareDecoding: String, Codable, Sendable {
    case none
    /// NVDEC where there is one, without a word where there is none.
    case auto
    /// NVDEC; a file that it cannot decode goes to the processor, with a warning.
    case cuda
}

/// One video to sample.
package struct SamplingRequest: Codable, Sendable {
    package var path: String
    /// N, the number of frames asked for. A shorter video repeats indices.
    package var frames: Int
    /// S: rows are S x S RGB, shortest edge resized to S and the centre cropped. 0 leaves frames at
    /// their display size, which must then be equal for all of them.
    package var side: Int
    package var mode: SamplingMode
    package var resize: ResizeFilter
    package var geometry: FrameGeometry
    /// Groups of pictures decoded at a time, 0 for one on each core and at most eight.
    package var threads: Int
    package var hardware: HardwareDecoding

    package init(
        path: String, frames: Int, side: Int = 336, mode: SamplingMode = .exact,
        resize: ResizeFilter = .pillow, geometry: FrameGeometry = .crop, threads: Int = 1,
        hardware: HardwareDecoding = .none
    ) {
        self.path = path
        self.frames = frames
        self.side = side
        self.mode = mode
        self.resize = resize
        self.geometry = geometry
        self.threads = threads
        self.hardware = hardware
    }
}

/// Bounds that a file cannot exceed, whatever it claims.
struct SamplingLimits: Sendable {
    /// Pixels of one decoded frame.
    var pixels: Int = 1 << 26
    /// Packets of the video stream.
    var packets: Int = 20_000_000
    /// Bytes of all sampled frames together.
    var outputBytes: Int = 8 << 30
    /// Frames in one request.
    var frames: Int = 65_536
    /// Wall time from the opening of the file, nil for no bound.
    var time: Duration?
}
