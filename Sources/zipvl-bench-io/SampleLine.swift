import VideoFrames

/// One line of `sample`'s output.
struct SampleLine: Encodable {
    var file: String
    var frames: Int
    var side: Int
    var resize: ResizeFilter
    var geometry: FrameGeometry
    var sampling: SamplingMode
    var threads: Int
    /// What decoded; before the first result, what was asked to.
    var hardware: HardwareDecoding
    /// Whether a child process sampled.
    var child: Bool
    var runs: Int
    /// Medians over the runs.
    var wallMilliseconds: Double?
    var cpuMilliseconds: Double?
    /// Highest resident size of the child over the runs; absent where none was used.
    var childPeakBytes: Int64?
    var packetsRead: Int?
    var framesDecoded: Int?
    /// The lower bound of an exact sampler.
    var framesNeeded: Int?
    var totalFrames: Int?
    var warnings: [String]?
    var error: VideoError?
    /// With `--dump`: size of the frames, the indices that were asked for and those that are shown.
    var width: Int?
    var height: Int?
    var requestedIndex: [Int]?
    var frameIndex: [Int]?

    init(_ request: SamplingRequest, child: Bool, runs: Int) {
        file = request.path
        frames = request.frames
        side = request.side
        resize = request.resize
        geometry = request.geometry
        sampling = request.mode
        threads = request.threads
        hardware = request.hardware
        self.child = child
        self.runs = runs
    }

    mutating func add(_ result: SampledFrames) {
        sampling = result.sampling
        hardware = result.hardware
        if child { childPeakBytes = max(childPeakBytes ?? 0, result.childPeakBytes) }
        packetsRead = result.packetsRead
        framesDecoded = result.framesDecoded
        framesNeeded = result.framesNeeded
        totalFrames = result.facts.frameCount
        warnings = result.warnings
    }

    mutating func addIndices(of result: SampledFrames) {
        width = result.width
        height = result.height
        requestedIndex = result.requestedIndex
        frameIndex = result.frameIndex
    }

    private enum CodingKeys: String, CodingKey {
        case file, frames, side, resize, geometry, sampling, threads, hardware, child, runs
        case warnings, error, width, height
        case wallMilliseconds = "wall_ms"
        case cpuMilliseconds = "cpu_ms"
        case childPeakBytes = "child_peak_bytes"
        case packetsRead = "packets_read"
        case framesDecoded = "frames_decoded"
        case framesNeeded = "frames_needed"
        case totalFrames = "total_frames"
        case requestedIndex = "requested_index"
        case frameIndex = "frame_index"
    }
}
