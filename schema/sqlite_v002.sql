-- zipvl-batch queue, schema version 2: evaluations, the questions of a manifest answered by several methods
-- on the same frames. Conventions as in version 1.

CREATE TABLE evaluations (                -- one manifest, one model, one name: what a second run goes on with
  evaluation_id   INTEGER PRIMARY KEY,
  name            TEXT NOT NULL CHECK (length(name) > 0),
  manifest        TEXT NOT NULL,          -- path as last given
  manifest_sha256 TEXT NOT NULL CHECK (length(manifest_sha256) = 64),
  format          TEXT NOT NULL CHECK (format IN ('manifest','video-mme','mlvu','longvideobench')),
  model           TEXT NOT NULL,          -- directory, or 'embedded'
  model_sha256    TEXT NOT NULL,
  created_at_ms   INTEGER NOT NULL,
  UNIQUE (manifest_sha256, model_sha256, name)
) STRICT;

CREATE TABLE evaluation_items (           -- the manifest's questions in their order
  evaluation_id   INTEGER NOT NULL REFERENCES evaluations(evaluation_id) ON DELETE CASCADE,
  item            INTEGER NOT NULL CHECK (item >= 0),
  custom_id       TEXT,
  video           TEXT NOT NULL,          -- path as last given
  question        TEXT NOT NULL CHECK (length(question) BETWEEN 1 AND 32768),
  choices_json    TEXT CHECK (choices_json IS NULL OR json_valid(choices_json)),
  expected        TEXT NOT NULL,
  group_name      TEXT,
  PRIMARY KEY (evaluation_id, item)
) STRICT, WITHOUT ROWID;

CREATE TABLE evaluation_methods (         -- one method at one number of frames
  method_id       INTEGER PRIMARY KEY,
  evaluation_id   INTEGER NOT NULL REFERENCES evaluations(evaluation_id) ON DELETE CASCADE,
  label           TEXT NOT NULL,          -- as last named on the command line, with the flags that go to all methods
  frames          INTEGER NOT NULL CHECK (frames > 0),
  options_json    TEXT NOT NULL CHECK (json_valid(options_json)),
  UNIQUE (evaluation_id, options_json)
) STRICT;

CREATE TABLE evaluation_answers (         -- one item under one method: an answer, or why there is none
  method_id       INTEGER NOT NULL REFERENCES evaluation_methods(method_id) ON DELETE CASCADE,
  item            INTEGER NOT NULL CHECK (item >= 0),
  answer          TEXT,
  choice          TEXT,
  correct         INTEGER CHECK (correct IN (0, 1)),
  finish_reason   TEXT CHECK (finish_reason IN ('stop','length','content')),
  frames_used INTEGER, visual_tokens INTEGER, prompt_tokens INTEGER, output_tokens INTEGER,
  attn_flops_dense REAL CHECK (attn_flops_dense >= 0),
  attn_flops_used  REAL CHECK (attn_flops_used >= 0),
  attn_flops_saved_pct_paper REAL,        -- 100 (1 - mean over layers(r)^2), prefill only
  llm_flops_dense REAL CHECK (llm_flops_dense >= 0),
  llm_flops_used  REAL CHECK (llm_flops_used >= 0),
  kept_token_ratio_mean REAL CHECK (kept_token_ratio_mean BETWEEN 0 AND 1),
  kv_cache_bytes_dense INTEGER, kv_cache_bytes_used INTEGER,
  peak_host_rss_bytes INTEGER, peak_device_bytes INTEGER,
  decode_video_ms REAL, vision_ms REAL,   -- of the frames that all methods share
  prefill_ms REAL, generate_ms REAL, total_ms REAL,
  warnings_json   TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(warnings_json)),
  extra_json      TEXT CHECK (extra_json IS NULL OR json_valid(extra_json)),
  error_class     TEXT CHECK (error_class IN ('input','resource','timeout','crash','internal','cancelled')),
  error_code      TEXT,
  error_message   TEXT,
  stage           TEXT,
  recorded_at_ms  INTEGER NOT NULL,
  PRIMARY KEY (method_id, item),
  CHECK ((answer IS NULL) = (error_class IS NOT NULL)),
  CHECK (answer IS NULL OR (
    correct IS NOT NULL AND finish_reason IS NOT NULL AND frames_used IS NOT NULL
    AND visual_tokens IS NOT NULL AND prompt_tokens IS NOT NULL AND output_tokens IS NOT NULL AND attn_flops_dense IS NOT NULL
    AND attn_flops_used IS NOT NULL AND llm_flops_dense IS NOT NULL AND llm_flops_used IS NOT NULL
    AND kv_cache_bytes_dense IS NOT NULL AND kv_cache_bytes_used IS NOT NULL
    AND peak_host_rss_bytes IS NOT NULL AND total_ms IS NOT NULL))
) STRICT, WITHOUT ROWID;

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
       m.options_json
FROM evaluation_answers a JOIN evaluation_methods m USING (method_id)
JOIN evaluations e USING (evaluation_id)
JOIN evaluation_items i ON i.evaluation_id = e.evaluation_id AND i.item = a.item;
