import GRDB

extension EvaluationItem {
    func insert(_ db: Database, _ evaluation: EvaluationID, _ index: Int) throws {
        try db.execute(
            sql: """
                INSERT INTO evaluation_items (evaluation_id, item, custom_id, video, question,
                    choices_json, expected, group_name) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                evaluation, index, customID, video, question, choices.map(JSONText.encode),
                expected, group,
            ])
    }

    init(row: Row) throws {
        self.init(
            video: try row.value("video"), question: try row.value("question"),
            choices: try row.texts("choices_json"), expected: try row.value("expected"),
            group: try row.optional("group_name"), customID: try row.optional("custom_id"))
    }
}

extension EvaluationAnswer {
    func insert(_ db: Database, now: Int64) throws {
        try db.execute(
            sql:
                "DELETE FROM evaluation_answers WHERE method_id = ? AND item = ? AND answer IS NULL",
            arguments: [method, item])
        switch outcome {
        case .success(let answer): try insert(answer, db, now)
        case .failure(let failure): try insert(failure, db, now)
        }
    }

    private func insert(_ answer: Answer, _ db: Database, _ now: Int64) throws {
        try db.execute(
            sql: """
                INSERT INTO evaluation_answers (method_id, item, answer, choice, correct,
                    finish_reason, frames_used, visual_tokens, prompt_tokens, output_tokens,
                    attn_flops_dense, attn_flops_used, attn_flops_saved_pct_paper, llm_flops_dense, llm_flops_used,
                    kept_token_ratio_mean, kv_cache_bytes_dense, kv_cache_bytes_used,
                    peak_host_rss_bytes, peak_device_bytes, decode_video_ms, vision_ms, prefill_ms,
                    generate_ms, total_ms, warnings_json, substituted_frames, extra_json,
                    recorded_at_ms)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
                    ?, ?, ?)
                ON CONFLICT (method_id, item) DO NOTHING
                """,
            arguments: [
                method, item, answer.answer, answer.choice, answer.correct,
                answer.finishReason.rawValue, answer.framesUsed, answer.visualTokens,
                answer.promptTokens,
                answer.outputTokens, answer.attnFLOPsDense, answer.attnFLOPsUsed,
                answer.attnFLOPsSavedPctPaper, answer.llmFLOPsDense, answer.llmFLOPsUsed,
                answer.keptTokenRatioMean, answer.kvCacheBytesDense, answer.kvCacheBytesUsed,
                answer.peakHostBytes, answer.peakDeviceBytes, answer.decodeVideoMS,
                answer.visionMS, answer.prefillMS, answer.generateMS, answer.totalMS,
                JSONText.encode(answer.warnings), JSONText.encode(answer.substitutedFrames),
                answer.extraJSON, now,
            ])
    }

    private func insert(_ failure: Failure, _ db: Database, _ now: Int64) throws {
        try db.execute(
            sql: """
                INSERT INTO evaluation_answers (method_id, item, error_class, error_code,
                    error_message, stage, recorded_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (method_id, item) DO NOTHING
                """,
            arguments: [
                method, item, failure.errorClass.rawValue, failure.code, failure.message,
                failure.stage, now,
            ])
    }

    init(row: Row) throws {
        self.init(
            method: try row.value("method_id"), item: try row.value("item"),
            outcome: try Self.outcome(row))
    }

    private static func outcome(_ row: Row) throws -> Result<Answer, Failure> {
        guard try row.isSet("answer") else {
            return .failure(
                Failure(
                    errorClass: try row.errorClass() ?? .internal,
                    code: try row.optional("error_code") ?? "",
                    message: try row.optional("error_message") ?? "",
                    stage: try row.optional("stage")))
        }
        return .success(try Answer(row: row))
    }
}
