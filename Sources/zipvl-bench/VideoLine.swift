import LongVA
import SparsePrefill

/// Times of one method's answers, stage by stage.
struct StageTimes {
    private(set) var vision = Measurement()
    private(set) var prefill = Measurement()
    private(set) var generate = Measurement()
    /// From frames to the answer's text: the three stages of each run together.
    private(set) var total = Measurement()

    mutating func add(_ answer: GeneratedAnswer) {
        vision.add(answer.visionMS)
        prefill.add(answer.prefillMS)
        generate.add(answer.generateMS)
        total.add(answer.visionMS + answer.prefillMS + answer.generateMS)
    }
}

/// One line of `zipvl-bench video`.
struct VideoLine: Encodable {
    let benchmark = "video"
    let answer: String
    let attn_flops_saved_pct: Double
    let device: String
    let dtype: String
    let frames: Int
    let generate_ms_median: Double
    let kept_token_ratio_mean: Double?
    let llm_flops_saved_pct: Double
    let method: String
    let output_tokens: Int
    let prefill_ms_max: Double
    let prefill_ms_median: Double
    let prefill_ms_min: Double
    let prompt_tokens: Int
    /// Of the prefill.
    let ratio_to_full: Double
    let runs: Int
    let tau: Double?
    let torch: String
    let total_ms_max: Double
    let total_ms_median: Double
    let total_ms_min: Double
    let vision_ms_median: Double

    /// - Parameter answer: of the last run; all runs of a method answer alike.
    init(
        _ configuration: PrefillConfiguration, _ answer: GeneratedAnswer, _ times: StageTimes,
        full: StageTimes, frames: Int, _ model: LongVAModel, device: String, torch: String
    ) {
        self.answer = answer.text
        attn_flops_saved_pct = 100 * (1 - answer.attnFLOPsUsed / answer.attnFLOPsDense)
        self.device = device
        dtype = model.resolvedDType
        self.frames = frames
        generate_ms_median = times.generate.median
        kept_token_ratio_mean = answer.keptTokenRatioMean
        llm_flops_saved_pct = 100 * (1 - answer.llmFLOPsUsed / answer.llmFLOPsDense)
        method = configuration.method.rawValue
        output_tokens = answer.outputTokens
        prefill_ms_max = times.prefill.most
        prefill_ms_median = times.prefill.median
        prefill_ms_min = times.prefill.least
        prompt_tokens = answer.promptTokens
        ratio_to_full = times.prefill.median / full.prefill.median
        runs = times.prefill.count
        tau = configuration.method == .zipvl ? configuration.tau : nil
        self.torch = torch
        total_ms_max = times.total.most
        total_ms_median = times.total.median
        total_ms_min = times.total.least
        vision_ms_median = times.vision.median
    }
}
