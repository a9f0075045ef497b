extension Answer {
    /// Columns of `answers` and of `evaluation_answers` that an answer fills, in the order of `columns`,
    /// with PostgreSQL's types.
    static let columnTypes: [(name: String, type: String)] = [
        ("answer", "text"), ("choice", "text"), ("correct", "integer"), ("finish_reason", "text"),
        ("frames_used", "bigint"), ("visual_tokens", "bigint"), ("prompt_tokens", "bigint"),
        ("output_tokens", "bigint"), ("attn_flops_dense", "float8"), ("attn_flops_used", "float8"),
        ("attn_flops_saved_pct_paper", "float8"), ("llm_flops_dense", "float8"),
        ("llm_flops_used", "float8"), ("kept_token_ratio_mean", "float8"),
        ("kv_cache_bytes_dense", "bigint"), ("kv_cache_bytes_used", "bigint"),
        ("peak_host_rss_bytes", "bigint"), ("peak_device_bytes", "bigint"),
        ("decode_video_ms", "float8"), ("vision_ms", "float8"), ("prefill_ms", "float8"),
        ("generate_ms", "float8"), ("total_ms", "float8"), ("warnings_json", "text"),
        ("substituted_frames", "text"), ("extra_json", "text"),
    ]

    static let columnNames = columnTypes.map(\.name).joined(separator: ", ")

    /// A NUL, which PostgreSQL cannot store, becomes U+FFFD: no answer may be lost for it.
    var columns: [(any ColumnValue)?] {
        [
            answer.withoutNUL, choice?.withoutNUL, correct.map { $0 ? 1 : 0 },
            finishReason.rawValue, framesUsed, visualTokens, promptTokens, outputTokens,
            attnFLOPsDense, attnFLOPsUsed, attnFLOPsSavedPctPaper, llmFLOPsDense, llmFLOPsUsed,
            keptTokenRatioMean, kvCacheBytesDense, kvCacheBytesUsed, peakHostBytes,
            peakDeviceBytes, decodeVideoMS, visionMS, prefillMS, generateMS, totalMS,
            JSONText.encode(warnings.map(\.withoutNUL)), JSONText.encode(substitutedFrames),
            extraJSON?.withoutNUL,
        ]
    }

    /// From the columns of `answers`.
    init(row: some ColumnReader) throws {
        let reason: String = try row.value("finish_reason")
        guard let finishReason = FinishReason(rawValue: reason) else {
            throw QueueError(.corrupt, "column finish_reason: unknown reason \(reason)")
        }
        self.init(
            answer: try row.value("answer"), choice: try row.optional("choice"),
            correct: try row.optional("correct"), finishReason: finishReason,
            framesUsed: try row.value("frames_used"), visualTokens: try row.value("visual_tokens"),
            promptTokens: try row.value("prompt_tokens"),
            outputTokens: try row.value("output_tokens"),
            keptTokenRatioMean: try row.optional("kept_token_ratio_mean"),
            attnFLOPsDense: try row.value("attn_flops_dense"),
            attnFLOPsUsed: try row.value("attn_flops_used"),
            attnFLOPsSavedPctPaper: try row.optional("attn_flops_saved_pct_paper"),
            llmFLOPsDense: try row.value("llm_flops_dense"),
            llmFLOPsUsed: try row.value("llm_flops_used"),
            kvCacheBytesDense: try row.value("kv_cache_bytes_dense"),
            kvCacheBytesUsed: try row.value("kv_cache_bytes_used"),
            peakHostBytes: try row.value("peak_host_rss_bytes"),
            peakDeviceBytes: try row.optional("peak_device_bytes"),
            decodeVideoMS: try row.optional("decode_video_ms"),
            visionMS: try row.optional("vision_ms"), prefillMS: try row.optional("prefill_ms"),
            generateMS: try row.optional("generate_ms"), totalMS: try row.value("total_ms"),
            warnings: try row.texts("warnings_json") ?? [],
            substitutedFrames: try row.substitutedFrames(),
            extraJSON: try row.optional("extra_json"))
    }
}
