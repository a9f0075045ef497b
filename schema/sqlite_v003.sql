-- zipvl-batch queue, schema version 3: how the frames of an answer were chosen, and which of them are not
-- those that were asked for. Conventions as in version 1.

ALTER TABLE answers ADD COLUMN            -- [[row, requested, shown], ...]; NULL where there is none, and in rows of before
  substituted_frames TEXT CHECK (substituted_frames IS NULL OR json_valid(substituted_frames));

ALTER TABLE evaluation_answers ADD COLUMN
  substituted_frames TEXT CHECK (substituted_frames IS NULL OR json_valid(substituted_frames));

DROP VIEW results;
CREATE VIEW results AS                    -- one row per answered job
SELECT j.job_id, b.name AS batch, j.custom_id, v.path AS video, j.question,
       a.answer, a.choice, j.expected, a.correct,
       c.model,
       c.options_json ->> '$.method' AS method, c.options_json ->> '$.tau' AS tau,
       c.options_json ->> '$.ffn' AS ffn, c.options_json ->> '$.kv' AS kv,
       c.options_json ->> '$.premerge' AS premerge,
       a.frames_used, a.visual_tokens, a.prompt_tokens, a.output_tokens, a.kept_token_ratio_mean,
       a.attn_flops_dense, a.attn_flops_used,
       CASE WHEN a.attn_flops_dense > 0
            THEN 100.0 * (1 - a.attn_flops_used / a.attn_flops_dense) END AS attn_flops_saved_pct,
       a.attn_flops_saved_pct_paper,
       a.llm_flops_dense, a.llm_flops_used,
       a.kv_cache_bytes_dense, a.kv_cache_bytes_used,
       CASE WHEN a.kv_cache_bytes_dense > 0
            THEN 100.0 * (1 - 1.0 * a.kv_cache_bytes_used / a.kv_cache_bytes_dense)
            END AS kv_cache_saved_pct,
       a.peak_host_rss_bytes / 1048576.0 AS peak_host_mib,
       a.peak_device_bytes / 1048576.0 AS peak_device_mib,
       a.decode_video_ms, a.vision_ms, a.prefill_ms, a.generate_ms, a.total_ms,
       (SELECT group_concat(value, '; ') FROM json_each(a.warnings_json)) AS warnings,
       strftime('%Y-%m-%dT%H:%M:%fZ', j.finished_at_ms / 1000.0, 'unixepoch') AS finished_at,
       w.host, w.device, j.attempts_made, c.options_json,
       c.options_json ->> '$.sampling' AS sampling, a.substituted_frames
FROM answers a JOIN jobs j USING (job_id) JOIN videos v USING (video_id)
JOIN configs c USING (config_id) JOIN batches b USING (batch_id)
JOIN attempts t ON t.attempt_id = a.attempt_id JOIN workers w USING (worker_id);

DROP VIEW evaluation_results;
CREATE VIEW evaluation_results AS         -- one row per item and method that was run
SELECT e.evaluation_id, e.name AS evaluation, e.manifest, e.model, m.method_id, m.label AS method, m.frames,
       i.item, i.custom_id, i.video, i.group_name, i.question, i.expected,
       a.answer, a.choice, a.correct, a.finish_reason, a.visual_tokens, a.prompt_tokens, a.output_tokens,
       a.kept_token_ratio_mean, a.attn_flops_dense, a.attn_flops_used,
       CASE WHEN a.attn_flops_dense > 0
            THEN 100.0 * (1 - a.attn_flops_used / a.attn_flops_dense) END AS attn_flops_saved_pct,
       a.attn_flops_saved_pct_paper, a.llm_flops_dense, a.llm_flops_used,
       CASE WHEN a.llm_flops_dense > 0
            THEN 100.0 * (1 - a.llm_flops_used / a.llm_flops_dense) END AS llm_flops_saved_pct,
       a.kv_cache_bytes_dense, a.kv_cache_bytes_used,
       CASE WHEN a.kv_cache_bytes_dense > 0
            THEN 100.0 * (1 - 1.0 * a.kv_cache_bytes_used / a.kv_cache_bytes_dense)
            END AS kv_cache_saved_pct,
       a.decode_video_ms, a.vision_ms, a.prefill_ms, a.generate_ms,
       (SELECT group_concat(value, '; ') FROM json_each(a.warnings_json)) AS warnings,
       a.error_class, a.error_code, a.error_message, a.stage,
       strftime('%Y-%m-%dT%H:%M:%fZ', a.recorded_at_ms / 1000.0, 'unixepoch') AS recorded_at,
       m.options_json, m.options_json ->> '$.sampling' AS sampling, a.substituted_frames
FROM evaluation_answers a JOIN evaluation_methods m USING (method_id)
JOIN evaluations e USING (evaluation_id)
JOIN evaluation_items i ON i.evaluation_id = e.evaluation_id AND i.item = a.item;
