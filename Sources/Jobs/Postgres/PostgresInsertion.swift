import Foundation

/// One enqueue transaction, a few statements for each thousand items. The caller holds the lock of
/// keys, so that nobody else makes jobs meanwhile.
struct PostgresInsertion {
    let session: PostgresSession
    let batch: BatchSpec
    let now: Int64
    private(set) var report = EnqueueReport(inserted: [], reused: [], rejected: [])

    private var batchRow: Int64?
    /// Rows as last written, by fingerprint: what was said last stands.
    private var configRows: [String: (config: ConfigRecord, row: Int64)] = [:]
    private var queues: Set<String> = []

    init(session: PostgresSession, batch: BatchSpec, now: Int64) {
        self.session = session
        self.batch = batch
        self.now = now
    }

    /// At most a thousand items, and about 4 MiB.
    static func end(of items: [NewJob], from start: Int) -> Int {
        var end = start
        var bytes = 0
        while end < items.count, end - start < 1000, bytes < 4 << 20 {
            bytes += items[end].question.utf8.count + items[end].video.path.utf8.count
            end += 1
        }
        return end
    }

    mutating func add(_ items: ArraySlice<NewJob>) throws {
        // The videos first: their paths are brought up to date even when the jobs are reused.
        let videos = try rows(ofVideosOf: items)
        let keys = items.map { item in
            ContentIdentity.dedupeKey(
                contentID: item.video.contentID, question: item.question, choices: item.choices,
                configFingerprint: item.config.fingerprint)
        }
        var known = try jobs(of: keys)
        var fresh: [(item: NewJob, key: String)] = []
        var twins: [(item: NewJob, key: String)] = []
        var making: Set<String> = []
        for (item, key) in zip(items, keys) {
            if known[key] != nil || making.contains(key) {
                twins.append((item, key))
            } else {
                making.insert(key)
                fresh.append((item, key))
            }
        }
        let ids = try insert(fresh, videos)
        for (made, id) in zip(fresh, ids) {
            known[made.key] = (id, made.item.state)
            if made.item.failure == nil {
                report.inserted.append(id)
            } else {
                report.rejected.append(id)
            }
        }
        for (item, key) in twins {
            guard let old = known[key] else { continue }
            report.reused.append(
                .init(
                    path: item.video.path, question: item.question, job: old.job, state: old.state))
        }
    }

    private func jobs(of keys: [String]) throws -> [String: (job: JobID, state: JobState)] {
        let rows = try session.runPrepared(
            """
            SELECT job_id, dedupe_key, state FROM jobs
            WHERE dedupe_key = ANY ($1::text[]) AND state <> 'cancelled'
            """, [keys])
        return try rows.reduce(into: [:]) { known, row in
            known[try row.value("dedupe_key")] = (try row.value("job_id"), try row.state())
        }
    }

    private mutating func insert(
        _ fresh: [(item: NewJob, key: String)], _ videos: [String: Int64]
    ) throws -> [JobID] {
        guard !fresh.isEmpty else { return [] }
        let batch = try rowForBatch()
        var records: [JobRecord] = []
        for (place, (item, key)) in fresh.enumerated() {
            try makeQueue(item.queue)
            guard let video = videos[item.video.contentID] else {
                throw QueueError(.unavailable, "\(item.video.path): no row was stored")
            }
            records.append(
                JobRecord(
                    item, key: key, place: place, batch: batch, video: video,
                    config: try row(for: item.config), now: now))
        }
        return try session.runPrepared(Self.insertJobs, [try json(records), now]).map {
            try $0.value("job_id")
        }
    }

    private static let insertJobs = """
        INSERT INTO jobs (batch_id, video_id, config_id, custom_id, question, choices_json,
            expected, dedupe_key, queue, priority, state, run_at_ms, max_attempts, max_crashes,
            timeout_ms, error_class, error_code, error_message, stage, created_at_ms,
            finished_at_ms)
        SELECT batch_id, video_id, config_id, custom_id, question, choices_json, expected,
            dedupe_key, queue, priority, state, run_at_ms, max_attempts, max_crashes, timeout_ms,
            error_class, error_code, error_message, stage, $2::bigint,
            CASE WHEN state = 'failed' THEN $2::bigint END
        FROM json_to_recordset($1::json) AS n (place integer, batch_id bigint, video_id bigint,
            config_id bigint, custom_id text, question text, choices_json text, expected text,
            dedupe_key text, queue text, priority integer, state text, run_at_ms bigint,
            max_attempts bigint, max_crashes bigint, timeout_ms bigint, error_class text,
            error_code text, error_message text, stage text)
        ORDER BY place RETURNING job_id
        """

    /// Made with the first job: a call that only reuses leaves no empty batch behind.
    private mutating func rowForBatch() throws -> Int64 {
        if let batchRow { return batchRow }
        let row = try session.run(
            """
            INSERT INTO batches (name, source, spec_sha256, spec_json, created_at_ms, created_by)
            VALUES ($1, $2, $3, $4, $5::bigint, $6) RETURNING batch_id
            """,
            [
                batch.name, batch.source, ContentIdentity.sha256(batch.specJSON), batch.specJSON,
                now, NSUserName(),
            ]
        ).first
        guard let id: Int64 = try row?.value("batch_id") else {
            throw QueueError(.unavailable, "\(batch.name): no row was stored")
        }
        batchRow = id
        return id
    }

    /// Makes the queue when there is none of this name.
    private mutating func makeQueue(_ queue: String) throws {
        guard queues.insert(queue).inserted else { return }
        try session.run(
            "INSERT INTO queues (queue) VALUES ($1) ON CONFLICT DO NOTHING", [queue])
    }

    /// Row numbers by content.
    private func rows(ofVideosOf items: ArraySlice<NewJob>) throws -> [String: Int64] {
        // One statement cannot change a row twice: what is said of one content is joined here.
        var records: [String: VideoRow] = [:]
        var order: [String] = []
        for item in items {
            let record = VideoRow(item.video)
            if let old = records[item.video.contentID] {
                records[item.video.contentID] = record.over(old)
            } else {
                records[item.video.contentID] = record
                order.append(item.video.contentID)
            }
        }
        let rows = try session.runPrepared(
            Self.upsertVideos, [try json(order.compactMap { records[$0] })])
        return try rows.reduce(into: [:]) { ids, row in
            ids[try row.value("content_id")] = try row.value("video_id")
        }
    }

    private static let upsertVideos = """
        INSERT INTO videos AS v (content_id, path, size_bytes, mtime_ns, duration_ms, width_px,
            height_px, fps, frame_count, codec, container, probe_error)
        SELECT content_id, path, size_bytes, mtime_ns, duration_ms, width_px, height_px, fps,
            frame_count, codec, container, probe_error
        FROM json_to_recordset($1::json) AS n (content_id text, path text, size_bytes bigint,
            mtime_ns bigint, duration_ms bigint, width_px bigint, height_px bigint, fps float8,
            frame_count bigint, codec text, container text, probe_error text)
        ON CONFLICT (md5(content_id)) DO UPDATE SET
            path = excluded.path, size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns,
            duration_ms = coalesce(excluded.duration_ms, v.duration_ms),
            width_px = coalesce(excluded.width_px, v.width_px),
            height_px = coalesce(excluded.height_px, v.height_px),
            fps = coalesce(excluded.fps, v.fps),
            frame_count = coalesce(excluded.frame_count, v.frame_count),
            codec = coalesce(excluded.codec, v.codec),
            container = coalesce(excluded.container, v.container),
            probe_error = excluded.probe_error
        RETURNING video_id, content_id
        """

    private mutating func row(for config: ConfigRecord) throws -> Int64 {
        if let known = configRows[config.fingerprint], known.config == config { return known.row }
        // A fingerprint covers all that can change an answer; where the model lies may change.
        let row = try session.run(
            """
            INSERT INTO configs (fingerprint, model, model_sha256, options_json)
            VALUES ($1, $2, $3, $4)
            ON CONFLICT (fingerprint) DO UPDATE SET model = excluded.model RETURNING config_id
            """, [config.fingerprint, config.model, config.modelSHA256, config.optionsJSON]
        ).first
        guard let id: Int64 = try row?.value("config_id") else {
            throw QueueError(.unavailable, "\(config.model): no row was stored")
        }
        configRows[config.fingerprint] = (config, id)
        return id
    }

    private func json(_ records: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        return String(decoding: try encoder.encode(records), as: UTF8.self)
    }
}
