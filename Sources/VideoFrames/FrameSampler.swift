/// Samples frames of a video in this process. `SamplerProcess` does the same in a child, which is what
/// anything that must survive a hostile file uses.
package enum FrameSampler {
    /// Goes up with every change after which some request gives other pixels, indices, times or warnings:
    /// cached frames of another version are not used.
    package static let version = 3

    /// - Throws: `VideoError` if no frame can be had. Frames that cannot be read are replaced by the nearest
    ///   readable one and named in `warnings`.
    package static func sample(_ request: SamplingRequest) throws(VideoError) -> SampledFrames {
        try sample(request, limits: SamplingLimits())
    }

    /// Opens a video, finds its frames and decodes the first one.
    package static func probe(path: String) throws(VideoError) -> VideoFacts {
        try probe(path: path, limits: SamplingLimits())
    }

    static func sample(
        _ request: SamplingRequest, limits: SamplingLimits
    ) throws(VideoError) -> SampledFrames {
        var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        defer { memory.deallocate() }
        let run = try SamplingRun(request, limits: limits) { bytes throws(VideoError) in
            memory = .allocate(byteCount: bytes, alignment: 64)
            return memory
        }
        var frames = try run.sample()
        frames.pixels = [UInt8](memory)
        return frames
    }

    static func probe(path: String, limits: SamplingLimits) throws(VideoError) -> VideoFacts {
        let request = SamplingRequest(path: path, frames: 1, side: 8, resize: .swscale)
        return try sample(request, limits: limits).facts
    }
}
