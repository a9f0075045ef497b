import Foundation
import GRDB

extension SQLiteQueue {
    package func enqueue(_ batch: BatchSpec, _ items: [NewJob]) async throws -> EnqueueReport {
        for item in items { try item.validate() }
        guard ![batch.name, batch.source, batch.specJSON].contains(where: { $0.utf8.contains(0) })
        else {
            throw QueueError(.invalid, "the batch's name or source contains the character U+0000")
        }
        return try await write { db, now in
            var insertion = try Insertion(db: db, batch: batch, now: now)
            for item in items { try insertion.add(item) }
            return insertion.report
        }
    }

    package func knownVideo(
        path: String, sizeBytes: Int64, mtimeNanoseconds: Int64
    ) async throws -> VideoRecord? {
        try await read { db in
            let row = try Row.fetchOne(
                db,
                sql: """
                    SELECT * FROM videos WHERE path = ? AND size_bytes = ? AND mtime_ns = ?
                        AND content_id NOT LIKE 'bad:%'
                    """,
                arguments: [path, sizeBytes, mtimeNanoseconds])
            return try row.map(VideoRecord.init(row:))
        }
    }
}

/// One enqueue transaction: rows of batch, videos and configs are made or found once, as needed.
private struct Insertion {
    let db: Database
    let batch: BatchSpec
    let now: Int64
    private(set) var report = EnqueueReport(inserted: [], reused: [], rejected: [])

    private var batchRow: Int64?
    /// Rows as last written, by content and fingerprint: what was said last stands.
    private var videoRows: [String: (video: VideoRecord, row: Int64)] = [:]
    private var configRows: [String: (config: ConfigRecord, row: Int64)] = [:]
    private var queues: Set<String> = []
    private let find: Statement
    private let insert: Statement

    init(db: Database, batch: BatchSpec, now: Int64) throws {
        self.db = db
        self.batch = batch
        self.now = now
        find = try db.cachedStatement(
            sql: """
                SELECT job_id, state FROM jobs WHERE dedupe_key = ? AND state <> 'cancelled'
                """)
        insert = try db.cachedStatement(
            sql: """
                INSERT INTO jobs (batch_id, video_id, config_id, custom_id, question, choices_json,
                    expected, dedupe_key, queue, priority, state, run_at_ms, max_attempts, max_crashes,
                    timeout_ms, error_class, error_code, error_message, stage, created_at_ms,
                    finished_at_ms)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """)
    }

    mutating func add(_ item: NewJob) throws {
        let key = ContentIdentity.dedupeKey(
            contentID: item.video.contentID, question: item.question, choices: item.choices,
            configFingerprint: item.config.fingerprint)
        // The video first: its path is brought up to date even when the job is reused.
        let video = try row(for: item.video)
        if let old = try Row.fetchOne(find, arguments: [key]) {
            report.reused.append(
                .init(
                    path: item.video.path, question: item.question,
                    job: try old.decode(JobID.self, forColumn: "job_id"),
                    state: try old.state()))
            return
        }
        let failure = item.failure?.storable
        try insert.execute(arguments: [
            rowForBatch(), video, row(for: item.config), item.customID, item.question,
            item.choices.map(JSONText.encode), item.expected, key, name(of: item.queue),
            item.priority, item.state.rawValue, item.runAt?.milliseconds ?? now, item.maxAttempts,
            item.maxCrashes,
            item.timeout.milliseconds, failure?.errorClass.rawValue, failure?.code,
            failure?.message, failure?.stage, now, item.failure == nil ? nil : now,
        ])
        if item.failure == nil {
            report.inserted.append(db.lastInsertedRowID)
        } else {
            report.rejected.append(db.lastInsertedRowID)
        }
    }

    /// Made with the first job: a call that only reuses leaves no empty batch behind.
    private mutating func rowForBatch() throws -> Int64 {
        if let batchRow { return batchRow }
        try db.execute(
            sql: """
                INSERT INTO batches (name, source, spec_sha256, spec_json, created_at_ms, created_by)
                VALUES (?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                batch.name, batch.source, ContentIdentity.sha256(batch.specJSON), batch.specJSON,
                now, NSUserName(),
            ])
        batchRow = db.lastInsertedRowID
        return db.lastInsertedRowID
    }

    /// Makes the queue when there is none of this name.
    private mutating func name(of queue: String) throws -> String {
        if queues.insert(queue).inserted {
            try db.execute(
                sql: "INSERT INTO queues (queue) VALUES (?) ON CONFLICT DO NOTHING",
                arguments: [queue])
        }
        return queue
    }

    private mutating func row(for video: VideoRecord) throws -> Int64 {
        if let known = videoRows[video.contentID], known.video == video { return known.row }
        let id = try Int64.fetchOne(
            db.cachedStatement(
                sql: """
                    INSERT INTO videos (content_id, path, size_bytes, mtime_ns, duration_ms, width_px,
                        height_px, fps, frame_count, codec, container, probe_error)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    ON CONFLICT (content_id) DO UPDATE SET
                        path = excluded.path, size_bytes = excluded.size_bytes,
                        mtime_ns = excluded.mtime_ns,
                        duration_ms = coalesce(excluded.duration_ms, duration_ms),
                        width_px = coalesce(excluded.width_px, width_px),
                        height_px = coalesce(excluded.height_px, height_px),
                        fps = coalesce(excluded.fps, fps),
                        frame_count = coalesce(excluded.frame_count, frame_count),
                        codec = coalesce(excluded.codec, codec),
                        container = coalesce(excluded.container, container),
                        probe_error = excluded.probe_error
                    RETURNING video_id
                    """),
            arguments: [
                video.contentID, video.path, video.sizeBytes, video.mtimeNanoseconds,
                video.durationMilliseconds, video.width, video.height, video.framesPerSecond,
                video.frameCount, video.codec?.withoutNUL, video.container?.withoutNUL,
                video.probeError?.withoutNUL,
            ])
        guard let id else { throw QueueError(.unavailable, "\(video.path): no row was stored") }
        videoRows[video.contentID] = (video, id)
        return id
    }

    private mutating func row(for config: ConfigRecord) throws -> Int64 {
        if let known = configRows[config.fingerprint], known.config == config { return known.row }
        // A fingerprint covers all that can change an answer; where the model lies may change.
        let id = try Int64.fetchOne(
            db,
            sql: """
                INSERT INTO configs (fingerprint, model, model_sha256, options_json)
                VALUES (?, ?, ?, ?)
                ON CONFLICT (fingerprint) DO UPDATE SET model = excluded.model
                RETURNING config_id
                """,
            arguments: [
                config.fingerprint, config.model, config.modelSHA256, config.optionsJSON,
            ])
        guard let id else { throw QueueError(.unavailable, "\(config.model): no row was stored") }
        configRows[config.fingerprint] = (config, id)
        return id
    }
}
