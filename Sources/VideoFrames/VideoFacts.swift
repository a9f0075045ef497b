/// What a video is, found by reading it: nothing here is copied from a header that may lie.
package struct VideoFacts: Codable, Sendable, Equatable {
    /// libavformat's name of the container, for instance `mov,mp4,m4a,3gp,3g2,mj2`.
    package var container: String
    package var codec: String
    /// Display size in pixels, after rotation. The pixel aspect ratio is not applied.
    package var width: Int
    package var height: Int
    /// Degrees clockwise that were applied to the stored pictures: 0, 90, 180 or 270.
    package var rotation: Int
    /// From the first displayed frame to the end of the last one.
    package var durationMilliseconds: Int64
    /// Displayed frames: hidden frames of an edit list and an undecodable lead-in do not count.
    package var frameCount: Int
    /// Mean over the file; 0 for a single picture without a rate.
    package var framesPerSecond: Double
    package var pixelFormat: String?
    /// As the file states them, nil where it does not. Unstated matrix coefficients are read as BT.601.
    package var colorSpace: String?
    package var colorRange: String?
    /// Transfer characteristics; PQ and HLG are reported here and not tone-mapped.
    package var transfer: String?
}
