-- zipvl-batch queue, schema version 4: claims of several jobs at once. Conventions as in version 1.

ALTER TABLE attempts ADD COLUMN           -- when work on it began; of a worker that dies, begun attempts take the blame
  begun_at_ms INTEGER;

-- The head of a queue among the jobs of one model, however many jobs of other models stand before it.
CREATE INDEX jobs_claim_config ON jobs(queue, config_id, priority DESC, run_at_ms, job_id) WHERE state = 'queued';
-- Further questions about one video, in the order of claims.
DROP INDEX jobs_same_video;
CREATE INDEX jobs_companions ON jobs(video_id, config_id, queue, priority DESC, run_at_ms, job_id) WHERE state = 'queued' AND crashes = 0;
CREATE INDEX jobs_finished ON jobs(finished_at_ms) WHERE finished_at_ms IS NOT NULL;
-- What a worker has in hand, whatever it has done before.
CREATE INDEX attempts_open ON attempts(worker_id) WHERE ended_at_ms IS NULL;
CREATE INDEX workers_living ON workers(worker_id) WHERE stopped_at_ms IS NULL;
