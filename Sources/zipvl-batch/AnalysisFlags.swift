import ArgumentParser
import Runner

/// The analysis flags; the same names with underscores stand under `analysis:` in a job file.
///
/// They are taken as texts: what a value means is decided in one place for flags, job files and the
/// methods of `eval`.
struct AnalysisFlags: ParsableArguments {
    @OptionGroup(title: "Analysis") var main: FramesAndMethod
    @OptionGroup var parameters: AnalysisParameterFlags

    var frames: String? { main.frames }
    var model: String? { parameters.model }

    /// - Throws: `AnalysisError` for a text that is no value of its flag
    var request: AnalysisRequest {
        get throws {
            var request = AnalysisRequest()
            if let frames { try request.set(.frames, to: frames) }
            if let method = main.method { try request.set(.method, to: method) }
            for (key, text) in parameters.settings { try request.set(key, to: text) }
            if parameters.run.noCache { try request.set(.noCache, to: "true") }
            return request
        }
    }

    func validate() throws {
        do { _ = try request } catch { throw ValidationError("\(error)") }
    }
}

/// Those of which `eval` and `niah` take several values.
struct FramesAndMethod: ParsableArguments {
    @Option(help: ArgumentHelp("Frames sampled from each video (default: 64).", valueName: "n"))
    var frames: String?

    @Option(
        help: ArgumentHelp(
            "Prefill method: full, zipvl, fixed, fastv, minference, qk-sparse or hired (default: zipvl).",
            valueName: "name"))
    var method: String?
}

/// All the others.
struct AnalysisParameterFlags: ParsableArguments {
    @OptionGroup(title: "Analysis: frames and model") var run: RunFlags
    @OptionGroup(title: "Analysis: choice of tokens") var choice: TokenChoiceFlags
    @OptionGroup(title: "Analysis: other methods") var methods: OtherMethodFlags
    @OptionGroup(title: "Analysis: KV cache and merging") var cache: CacheFlags

    var model: String? { run.model }

    /// What was given.
    var settings: [AnalysisRequest.Key: String] {
        [run.named, choice.named, methods.named, cache.named]
            .reduce(into: [:]) { $0.merge($1.compactMapValues(\.self)) { first, _ in first } }
    }
}

struct RunFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Frames evenly by index, evenly in seconds, or the key frames nearest to those of exact: quick and inexact (default: exact).",
            valueName: "exact|time|keyframe"))
    var sampling: String?

    @Option(
        help: ArgumentHelp(
            "How frames are resized; pillow is bit-exact (default: pillow).",
            valueName: "pillow|swscale"))
    var resize: String?

    @Flag(help: "Sample the video even if its frames are kept from before, and keep none.")
    var noCache = false

    @Option(help: ArgumentHelp("Model directory (default: embedded).", valueName: "dir"))
    var model: String?

    @Option(
        help: ArgumentHelp(
            "Element type of the run (default: auto).", valueName: "auto|float32|bfloat16"))
    var dtype: String?

    @Option(
        help: ArgumentHelp(
            "Weights of the large layers in the run's element type, or in 8 bits with their inputs: faster, half the memory, slightly other answers (default: as-is).",
            valueName: "as-is|fp8"))
    var weights: String?

    @Option(help: ArgumentHelp("Longest answer in tokens (default: 64).", valueName: "n"))
    var maxNewTokens: String?

    @Option(help: ArgumentHelp("Seed of all that is drawn (default: 0).", valueName: "n"))
    var seed: String?

    /// Without `--no-cache`, which belongs to a run and to no method.
    var named: [AnalysisRequest.Key: String?] {
        [
            .sampling: sampling, .resize: resize, .model: model, .dtype: dtype,
            .weights: weights, .maxNewTokens: maxNewTokens, .seed: seed,
        ]
    }
}
