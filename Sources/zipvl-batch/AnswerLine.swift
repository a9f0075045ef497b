import Jobs
import Runner

/// An answer as JSON, with the names of the view `results`.
struct AnswerLine: Encodable {
    private let answer: Answer
    private let asked: (video: String, question: String, options: AnalysisOptions)?

    init(_ answer: Answer) {
        self.answer = answer
        asked = nil
    }

    init(_ answer: Answer, video: String, question: String, options: AnalysisOptions) {
        self.answer = answer
        asked = (video, question, options)
    }

    enum CodingKeys: String, CodingKey {
        case video, question, sampling
        case optionsJSON = "options_json"
        case answer, choice, correct
        case finishReason = "finish_reason"
        case framesUsed = "frames_used"
        case visualTokens = "visual_tokens"
        case promptTokens = "prompt_tokens"
        case outputTokens = "output_tokens"
        case keptTokenRatioMean = "kept_token_ratio_mean"
        case attnFLOPsDense = "attn_flops_dense"
        case attnFLOPsUsed = "attn_flops_used"
        case attnFLOPsSavedPct = "attn_flops_saved_pct"
        case attnFLOPsSavedPctPaper = "attn_flops_saved_pct_paper"
        case llmFLOPsDense = "llm_flops_dense"
        case llmFLOPsUsed = "llm_flops_used"
        case llmFLOPsSavedPct = "llm_flops_saved_pct"
        case kvCacheBytesDense = "kv_cache_bytes_dense"
        case kvCacheBytesUsed = "kv_cache_bytes_used"
        case kvCacheSavedPct = "kv_cache_saved_pct"
        case peakHostBytes = "peak_host_bytes"
        case peakDeviceBytes = "peak_device_bytes"
        case decodeVideoMS = "decode_video_ms"
        case visionMS = "vision_ms"
        case prefillMS = "prefill_ms"
        case generateMS = "generate_ms"
        case totalMS = "total_ms"
        case warnings
        case substitutedFrames = "substituted_frames"
        case extraJSON = "extra_json"
    }

    func encode(to encoder: any Encoder) throws {
        var line = encoder.container(keyedBy: CodingKeys.self)
        if let asked {
            try line.encode(asked.video, forKey: .video)
            try line.encode(asked.question, forKey: .question)
            try line.encode(asked.options.json, forKey: .optionsJSON)
            try line.encode(asked.options.sampling, forKey: .sampling)
        }
        try line.encode(answer.answer, forKey: .answer)
        try line.encode(answer.choice, forKey: .choice)
        try line.encode(answer.correct, forKey: .correct)
        try line.encode(answer.finishReason, forKey: .finishReason)
        try line.encode(answer.framesUsed, forKey: .framesUsed)
        try line.encode(answer.visualTokens, forKey: .visualTokens)
        try line.encode(answer.promptTokens, forKey: .promptTokens)
        try line.encode(answer.outputTokens, forKey: .outputTokens)
        try line.encode(answer.keptTokenRatioMean, forKey: .keptTokenRatioMean)
        try line.encode(answer.attnFLOPsDense, forKey: .attnFLOPsDense)
        try line.encode(answer.attnFLOPsUsed, forKey: .attnFLOPsUsed)
        try line.encode(answer.attnFLOPsSavedPct, forKey: .attnFLOPsSavedPct)
        try line.encode(answer.attnFLOPsSavedPctPaper, forKey: .attnFLOPsSavedPctPaper)
        try line.encode(answer.llmFLOPsDense, forKey: .llmFLOPsDense)
        try line.encode(answer.llmFLOPsUsed, forKey: .llmFLOPsUsed)
        try line.encode(answer.llmFLOPsSavedPct, forKey: .llmFLOPsSavedPct)
        try line.encode(answer.kvCacheBytesDense, forKey: .kvCacheBytesDense)
        try line.encode(answer.kvCacheBytesUsed, forKey: .kvCacheBytesUsed)
        try line.encode(answer.kvCacheSavedPct, forKey: .kvCacheSavedPct)
        try line.encode(answer.peakHostBytes, forKey: .peakHostBytes)
        try line.encode(answer.peakDeviceBytes, forKey: .peakDeviceBytes)
        try line.encode(answer.decodeVideoMS, forKey: .decodeVideoMS)
        try line.encode(answer.visionMS, forKey: .visionMS)
        try line.encode(answer.prefillMS, forKey: .prefillMS)
        try line.encode(answer.generateMS, forKey: .generateMS)
        try line.encode(answer.totalMS, forKey: .totalMS)
        try line.encode(answer.warnings, forKey: .warnings)
        try line.encode(answer.substitutedFrames, forKey: .substitutedFrames)
        try line.encode(answer.extraJSON, forKey: .extraJSON)
    }
}

/// All that is known of one job, as JSON.
struct DetailLine: Encodable {
    var job: JobRow
    var expected: String?
    var choices: [String]?
    var model: String
    var optionsJSON: String
    var video: [String: String]
    var attempts: [AttemptRow]
    var answer: AnswerLine?

    init(_ detail: JobDetail) {
        job = detail.job
        expected = detail.expected
        choices = detail.choices
        model = detail.model
        optionsJSON = detail.optionsJSON
        video = detail.video
        attempts = detail.attempts
        answer = detail.answer.map { AnswerLine($0) }
    }
}
