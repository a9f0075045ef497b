-- zipvl-batch queue, schema version 1 (SQLite >= 3.38). Whoever applies this file sets
-- application_id = 0x5A56424A ('ZVBJ') and user_version = 1 in the same transaction.
-- Times: Unix milliseconds UTC; the views give ISO 8601. Sizes: bytes. FLOPs: 2 per multiply-add.

CREATE TABLE batches (                    -- one `enqueue` call / one job file
  batch_id       INTEGER PRIMARY KEY,
  name           TEXT NOT NULL,
  source         TEXT NOT NULL,           -- path of job file / directory / '-' for stdin
  spec_sha256    TEXT NOT NULL,
  spec_json      TEXT NOT NULL CHECK (json_valid(spec_json)),
  created_at_ms  INTEGER NOT NULL,
  created_by     TEXT NOT NULL
) STRICT;

CREATE TABLE configs (                    -- everything that can change an answer
  config_id      INTEGER PRIMARY KEY,
  fingerprint    TEXT NOT NULL UNIQUE,    -- sha256 of canonical options_json and the model's
  model          TEXT NOT NULL,           -- directory, or 'embedded'
  model_sha256   TEXT NOT NULL,           -- a worker claims the jobs of its own model
  device_class   TEXT NOT NULL DEFAULT 'any' CHECK (device_class IN ('any','gpu','cpu')),
  options_json   TEXT NOT NULL CHECK (json_valid(options_json))
) STRICT;

CREATE TABLE videos (
  video_id       INTEGER PRIMARY KEY,
  content_id     TEXT NOT NULL UNIQUE,    -- 'sha256:<hex>', or 'bad:<path>:<size>:<mtime>'
  path           TEXT NOT NULL,           -- last known path
  size_bytes     INTEGER NOT NULL,
  mtime_ns       INTEGER NOT NULL,
  duration_ms    INTEGER, width_px INTEGER, height_px INTEGER, fps REAL, frame_count INTEGER,
  codec          TEXT, container TEXT, probe_error TEXT
) STRICT;
CREATE INDEX videos_path ON videos(path);

CREATE TABLE workers (
  worker_id      INTEGER PRIMARY KEY,
  name           TEXT NOT NULL,           -- host:pid:start-ticks
  host TEXT NOT NULL, boot_id TEXT NOT NULL, pid INTEGER NOT NULL,
  device         TEXT NOT NULL,           -- 'cpu' | 'cuda:0' …
  version        TEXT NOT NULL,
  lock_path      TEXT,                    -- flock()ed file in <database>.workers/
  slurm_job_id   TEXT,
  started_at_ms  INTEGER NOT NULL,
  last_seen_at_ms INTEGER NOT NULL,
  stopped_at_ms  INTEGER,
  stop_reason    TEXT
) STRICT;

CREATE TABLE queues (
  queue          TEXT PRIMARY KEY,
  paused_at_ms   INTEGER,
  max_running    INTEGER CHECK (max_running > 0)
) STRICT, WITHOUT ROWID;
INSERT INTO queues(queue) VALUES ('default');

CREATE TABLE jobs (                       -- one question about one video under one config
  job_id         INTEGER PRIMARY KEY,
  batch_id       INTEGER NOT NULL REFERENCES batches(batch_id),
  video_id       INTEGER NOT NULL REFERENCES videos(video_id),
  config_id      INTEGER NOT NULL REFERENCES configs(config_id),
  custom_id      TEXT,                    -- the user's own key, echoed in every export
  question       TEXT NOT NULL CHECK (length(question) BETWEEN 1 AND 32768),
  choices_json   TEXT CHECK (choices_json IS NULL OR json_valid(choices_json)),
  expected       TEXT,                    -- optional ground truth
  dedupe_key     TEXT NOT NULL,           -- sha256(content_id, question, choices, config fingerprint)
  queue          TEXT NOT NULL DEFAULT 'default' REFERENCES queues(queue),
  priority       INTEGER NOT NULL DEFAULT 0 CHECK (priority BETWEEN -1000 AND 1000), -- higher first
  state          TEXT NOT NULL DEFAULT 'queued'
                 CHECK (state IN ('held','queued','running','succeeded','failed','cancelled')),
  run_at_ms      INTEGER NOT NULL,        -- not before; also carries retry back-off
  attempts_made  INTEGER NOT NULL DEFAULT 0,   -- counted attempts (interruptions do not count)
  max_attempts   INTEGER NOT NULL DEFAULT 3 CHECK (max_attempts > 0),
  crashes        INTEGER NOT NULL DEFAULT 0,
  max_crashes    INTEGER NOT NULL DEFAULT 3 CHECK (max_crashes > 0),
  timeout_ms     INTEGER NOT NULL DEFAULT 3600000,
  attempt_id     INTEGER,                 -- fencing token: attempts.attempt_id of the live claim
  lease_expires_at_ms INTEGER,
  cancel_requested_at_ms INTEGER,
  progress       REAL CHECK (progress BETWEEN 0 AND 1),
  stage          TEXT,                    -- probe|decode|encode|prefill|decode_text|write; of a failed job: where
  error_class    TEXT CHECK (error_class IN ('input','resource','timeout','crash','internal','cancelled')),
  error_code     TEXT,
  error_message  TEXT,
  created_at_ms  INTEGER NOT NULL,
  started_at_ms  INTEGER,
  finished_at_ms INTEGER,
  CHECK ((state = 'running') = (attempt_id IS NOT NULL)),
  CHECK ((state = 'running') = (lease_expires_at_ms IS NOT NULL)),
  CHECK ((state IN ('succeeded','failed','cancelled')) = (finished_at_ms IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX jobs_dedupe  ON jobs(dedupe_key) WHERE state <> 'cancelled';
CREATE INDEX jobs_claim ON jobs(queue, priority DESC, run_at_ms, job_id) WHERE state = 'queued';
CREATE INDEX jobs_same_video ON jobs(video_id, config_id) WHERE state = 'queued';
CREATE INDEX jobs_lease ON jobs(lease_expires_at_ms) WHERE state = 'running';
CREATE INDEX jobs_batch ON jobs(batch_id, state);
CREATE INDEX jobs_custom ON jobs(custom_id) WHERE custom_id IS NOT NULL;

CREATE TABLE attempts (                   -- append-only; attempt_id is the fencing token
  attempt_id     INTEGER PRIMARY KEY AUTOINCREMENT,
  job_id         INTEGER NOT NULL REFERENCES jobs(job_id) ON DELETE CASCADE,
  worker_id      INTEGER NOT NULL REFERENCES workers(worker_id),
  number         INTEGER NOT NULL,
  started_at_ms  INTEGER NOT NULL,
  heartbeat_at_ms INTEGER NOT NULL,
  ended_at_ms    INTEGER,
  outcome        TEXT CHECK (outcome IN ('succeeded','failed','interrupted','cancelled','timeout','crashed','lease_lost')),
  error_class    TEXT, error_code TEXT, error_message TEXT,
  stage          TEXT,                    -- where it failed
  log_path       TEXT
) STRICT;
CREATE INDEX attempts_job ON attempts(job_id);

CREATE TABLE answers (                    -- at most one accepted answer per job
  job_id         INTEGER PRIMARY KEY REFERENCES jobs(job_id) ON DELETE CASCADE,
  attempt_id     INTEGER NOT NULL UNIQUE REFERENCES attempts(attempt_id),
  answer         TEXT NOT NULL,
  choice         TEXT,
  correct        INTEGER CHECK (correct IN (0, 1)),  -- judged at completion by the job's scoring rule
  finish_reason  TEXT NOT NULL CHECK (finish_reason IN ('stop','length','content')),
  frames_used    INTEGER NOT NULL, visual_tokens INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
  attn_flops_dense REAL NOT NULL CHECK (attn_flops_dense >= 0),
  attn_flops_used  REAL NOT NULL CHECK (attn_flops_used  >= 0),
  attn_flops_saved_pct_paper REAL,        -- 100 (1 - mean over layers(r)^2), prefill only
  llm_flops_dense REAL NOT NULL CHECK (llm_flops_dense >= 0),
  llm_flops_used   REAL NOT NULL CHECK (llm_flops_used   >= 0),
  kept_token_ratio_mean REAL CHECK (kept_token_ratio_mean BETWEEN 0 AND 1),
  kv_cache_bytes_dense INTEGER NOT NULL, kv_cache_bytes_used INTEGER NOT NULL,
  peak_host_rss_bytes INTEGER NOT NULL, peak_device_bytes INTEGER,
  decode_video_ms REAL, vision_ms REAL, prefill_ms REAL, generate_ms REAL, total_ms REAL NOT NULL,
  energy_j       REAL,
  warnings_json  TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(warnings_json)),
  extra_json     TEXT CHECK (extra_json IS NULL OR json_valid(extra_json)),
  recorded_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE events (                     -- audit trail
  event_id INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms INTEGER NOT NULL, job_id INTEGER, attempt_id INTEGER, worker_id INTEGER,
  kind TEXT NOT NULL, detail_json TEXT CHECK (detail_json IS NULL OR json_valid(detail_json))
) STRICT;

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
       w.host, w.device, j.attempts_made, c.options_json
FROM answers a JOIN jobs j USING (job_id) JOIN videos v USING (video_id)
JOIN configs c USING (config_id) JOIN batches b USING (batch_id)
JOIN attempts t ON t.attempt_id = a.attempt_id JOIN workers w USING (worker_id);

CREATE VIEW failures AS
SELECT j.job_id, b.name AS batch, j.custom_id, v.path AS video, j.question,
       j.error_class, j.error_code, j.error_message, j.stage, j.attempts_made, j.crashes,
       strftime('%Y-%m-%dT%H:%M:%fZ', j.finished_at_ms / 1000.0, 'unixepoch') AS finished_at
FROM jobs j JOIN videos v USING (video_id) JOIN batches b USING (batch_id) WHERE j.state = 'failed';

CREATE VIEW queue_status AS
SELECT b.batch_id, b.name AS batch, j.queue,
  sum(j.state='held') AS held,
  sum(j.state='queued' AND j.attempts_made=0 AND j.run_at_ms <= now_ms) AS ready,
  sum(j.state='queued' AND j.attempts_made=0 AND j.run_at_ms >  now_ms) AS scheduled,
  sum(j.state='queued' AND j.attempts_made>0) AS retrying,
  sum(j.state='running' AND j.lease_expires_at_ms >= now_ms) AS running,
  sum(j.state='running' AND j.lease_expires_at_ms <  now_ms) AS orphaned,
  sum(j.state='succeeded') AS succeeded, sum(j.state='failed') AS failed, sum(j.state='cancelled') AS cancelled
FROM jobs j JOIN batches b USING (batch_id), (SELECT CAST((julianday('now')-2440587.5)*86400000 AS INTEGER) AS now_ms)
GROUP BY 1,2,3;
