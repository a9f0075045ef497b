/// How frames are chosen.
package enum SamplingMode: String, Codable, Sendable {
    /// Evenly spaced by frame index, each the frame of that index and no other.
    case exact
}

/// How a frame becomes S x S.
package enum ResizeFilter: String, Codable, Sendable {
    /// Bicubic with antialiasing, equal to Pillow's in every bit.
    case pillow
    /// The same geometry through libswscale: faster, not equal.
    case swscale
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

    package init(
        path: String, frames: Int, side: Int = 336, mode: SamplingMode = .exact,
        resize: ResizeFilter = .pillow
    ) {
        self.path = path
        self.frames = frames
        self.side = side
        self.mode = mode
        self.resize = resize
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
