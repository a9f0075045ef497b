-- zipvl-batch queue, schema version 4: claims of several jobs at once. Conventions as in version 1.

ALTER TABLE attempts ADD COLUMN           -- when work on it began; of a worker that dies, begun attempts take the blame
  begun_at_ms INTEGER;

CREATE INDEX jobs_finished ON jobs(finished_at_ms) WHERE finished_at_ms IS NOT NULL;
