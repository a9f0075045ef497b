import ArgumentParser
import Foundation
import LongVA
import Runner
import SparsePrefill
import VideoFrames

/// The analysis flags; the same names with underscores stand under `analysis:` in a job file.
struct AnalysisFlags: ParsableArguments {
    @Option(help: ArgumentHelp("Frames sampled from each video (default: 64).", valueName: "n"))
    var frames: Int?

    @Option(help: "How frames are chosen (default: exact).")
    var sampling: SamplingMode?

    @Option(help: "How frames are resized; pillow is bit-exact (default: pillow).")
    var resize: ResizeFilter?

    @Option(help: ArgumentHelp("Model directory (default: embedded).", valueName: "dir"))
    var model: String?

    @Option(help: "Element type of the run (default: auto).")
    var dtype: ModelOptions.DTypeChoice?

    @Option(help: ArgumentHelp("Longest answer in tokens (default: 64).", valueName: "n"))
    var maxNewTokens: Int?

    @Option(help: ArgumentHelp("Seed of the random probe rows (default: 0).", valueName: "n"))
    var seed: UInt64?

    @Option(help: "Prefill method (default: zipvl).")
    var method: PrefillMethod?

    @Option(
        help: ArgumentHelp(
            "zipvl: share of the attention that is kept (default: 0.975).", valueName: "t"))
    var tau: Double?

    @Option(
        help: ArgumentHelp("zipvl: probe rows (default: 64,64).", valueName: "recent,random"))
    var probes: ProbeCounts?

    @Option(help: "What stays in the KV cache (default: discard with zipvl, full with full).")
    var kv: KVRetention?

    @Option(
        help: ArgumentHelp(
            "zipvl: shorter prompts run dense (default: 0).", valueName: "tokens"))
    var denseBelow: Int?

    @Option(
        help: ArgumentHelp(
            "zipvl: kept counts are rounded up to a multiple (default: 1; 256 on CUDA).",
            valueName: "n"))
    var selectBucket: Int?

    var request: AnalysisRequest {
        var request = AnalysisRequest()
        request.frames = frames
        request.sampling = sampling
        request.resize = resize
        request.model = model
        request.dtype = dtype
        request.maxNewTokens = maxNewTokens
        request.seed = seed
        request.method = method
        request.tau = tau
        request.probes = probes
        request.kv = kv
        request.denseBelow = denseBelow
        request.selectBucket = selectBucket
        return request
    }
}

extension SamplingMode: ExpressibleByArgument {}
extension ResizeFilter: ExpressibleByArgument {}
extension PrefillMethod: ExpressibleByArgument {}
extension KVRetention: ExpressibleByArgument {}
extension ModelOptions.DTypeChoice: ExpressibleByArgument {}

extension ProbeCounts: ExpressibleByArgument {
    init?(argument: String) { self.init(argument) }
}
