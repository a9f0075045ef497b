import GRDB

extension Answer {
    /// Into `answers`, as the one answer of `job`.
    func insert(_ db: Database, job: JobID, attempt: AttemptID, now: Int64) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO answers (job_id, attempt_id, answer, choice, correct, finish_reason,
                    frames_used, visual_tokens, prompt_tokens, output_tokens, attn_flops_dense,
                    attn_flops_used, attn_flops_saved_pct_paper, llm_flops_dense, llm_flops_used,
                    kept_token_ratio_mean, kv_cache_bytes_dense, kv_cache_bytes_used,
                    peak_host_rss_bytes, peak_device_bytes, decode_video_ms, vision_ms, prefill_ms,
                    generate_ms, total_ms, warnings_json, substituted_frames, extra_json,
                    recorded_at_ms)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
                    ?, ?, ?, ?)
                """
        ).execute(
            arguments: [
                job, attempt, answer.withoutNUL, choice?.withoutNUL, correct, finishReason.rawValue,
                framesUsed, visualTokens, promptTokens, outputTokens, attnFLOPsDense,
                attnFLOPsUsed, attnFLOPsSavedPctPaper, llmFLOPsDense, llmFLOPsUsed,
                keptTokenRatioMean, kvCacheBytesDense, kvCacheBytesUsed,
                peakHostBytes, peakDeviceBytes, decodeVideoMS, visionMS, prefillMS,
                generateMS, totalMS, JSONText.encode(warnings),
                JSONText.encode(substitutedFrames), extraJSON, now,
            ])
    }

    /// From the columns of `answers`.
    init(row: Row) throws {
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
