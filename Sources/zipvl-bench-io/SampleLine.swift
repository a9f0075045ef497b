import VideoFrames

/// One line of `sample`'s output.
struct SampleLine: Encodable {
    var file: String
    var frames: Int
    var side: Int
    var resize: ResizeFilter
    var runs: Int
    /// Medians over the runs.
    var wallMilliseconds: Double?
    var cpuMilliseconds: Double?
    var packetsRead: Int?
    var framesDecoded: Int?
    /// The lower bound of an exact sampler.
    var framesNeeded: Int?
    var totalFrames: Int?
    var warnings: [String]?
    var error: VideoError?

    init(_ request: SamplingRequest, runs: Int) {
        file = request.path
        frames = request.frames
        side = request.side
        resize = request.resize
        self.runs = runs
    }

    mutating func add(_ result: SampledFrames) {
        packetsRead = result.packetsRead
        framesDecoded = result.framesDecoded
        framesNeeded = result.framesNeeded
        totalFrames = result.facts.frameCount
        warnings = result.warnings
    }

    private enum CodingKeys: String, CodingKey {
        case file, frames, side, resize, runs, warnings, error
        case wallMilliseconds = "wall_ms"
        case cpuMilliseconds = "cpu_ms"
        case packetsRead = "packets_read"
        case framesDecoded = "frames_decoded"
        case framesNeeded = "frames_needed"
        case totalFrames = "total_frames"
    }
}
