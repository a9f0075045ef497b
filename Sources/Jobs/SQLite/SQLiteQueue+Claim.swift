import Foundation
import GRDB
import Schema

/// Claims. Nothing here looks at more rows than it takes: every step is a seek in an index, so a
/// claim costs the same in a queue of a million jobs, whatever of them waits for a later time,
/// belongs to other models or stands in queues that are paused.
extension SQLiteQueue {
    package func claim(
        _ worker: WorkerID, filter: ClaimFilter, limit: Int, lease: Duration
    ) async throws -> [Claim] {
        guard limit > 0 else { return [] }
        let expected = environment.migrations.last?.version
        return try await write { [path] db, now in
            // Another program may have migrated the file since it was opened.
            let version = try Int.fetchOne(db.cachedStatement(sql: "PRAGMA user_version"))
            guard version == expected else {
                throw QueueError(
                    .incompatible,
                    "\(path): schema version \(version ?? 0) since another program migrated it, "
                        + "this one works on version \(expected ?? 0)")
            }
            let search = HeadSearch(db: db, now: now)
            guard let (head, room) = try search.head(filter) else { return [] }
            var jobs = [head]
            if limit > 1 && room > 1 {
                jobs += try search.companions(of: head, limit: min(limit, room) - 1)
            }
            return try jobs.map {
                try Self.take($0, for: worker, db, now: now, lease: lease)
            }
        }
    }

    private static func take(
        _ job: JobID, for worker: WorkerID, _ db: Database, now: Int64, lease: Duration
    ) throws -> Claim {
        let row = try Row.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT j.*, b.name AS batch, c.model, c.model_sha256, c.options_json
                    FROM jobs j JOIN configs c USING (config_id) JOIN batches b USING (batch_id)
                    WHERE j.job_id = ?
                    """), arguments: [job])
        guard let row else {
            throw QueueError(.corrupt, "job \(job): its batch or config row is missing")
        }
        let number = try row.value("attempts_made") + 1
        let leaseEnd = now + lease.milliseconds
        try db.cachedStatement(
            sql: """
                INSERT INTO attempts (job_id, worker_id, number, started_at_ms, heartbeat_at_ms)
                VALUES (?, ?, ?, ?, ?)
                """
        ).execute(arguments: [job, worker, number, now, now])
        let attempt = db.lastInsertedRowID
        try db.cachedStatement(
            sql: """
                UPDATE jobs SET state = 'running', attempt_id = ?, attempts_made = ?,
                    lease_expires_at_ms = ?, started_at_ms = coalesce(started_at_ms, ?),
                    progress = 0, stage = NULL
                WHERE job_id = ? AND state = 'queued'
                """
        ).execute(arguments: [attempt, number, leaseEnd, now, job])
        let video = try Row.fetchOne(
            db.cachedStatement(sql: "SELECT * FROM videos WHERE video_id = ?"),
            arguments: [try row.value("video_id") as Int64])
        guard let video else { throw QueueError(.corrupt, "job \(job): its video row is missing") }
        return Claim(
            job: job, attempt: attempt, number: number,
            maxAttempts: try row.value("max_attempts"), batch: try row.value("batch"),
            video: try VideoRecord(row: video), model: try row.value("model"),
            modelSHA256: try row.value("model_sha256"),
            optionsJSON: try row.value("options_json"), question: try row.value("question"),
            choices: try row.texts("choices_json"), expected: try row.optional("expected"),
            timeout: .milliseconds(try row.value("timeout_ms") as Int64),
            leaseUntil: Date(milliseconds: leaseEnd), dedupeKey: try row.value("dedupe_key"),
            customID: try row.optional("custom_id"), queue: try row.value("queue"),
            crashes: try row.value("crashes"))
    }
}

/// Finds the job to claim. Within one priority the jobs that are due are a range of the index; the
/// priorities in use are few and are gone through from the highest.
struct HeadSearch {
    let db: Database
    let now: Int64

    /// A job's place in the order of claims.
    private struct Place {
        var priority: Int64
        var runAt: Int64
        var job: JobID

        func isBefore(_ other: Place) -> Bool {
            (-priority, runAt, job) < (-other.priority, other.runAt, other.job)
        }
    }

    /// The first job of all queues of the filter, and how many jobs its queue may still start.
    func head(_ filter: ClaimFilter) throws -> (job: JobID, room: Int)? {
        let configs = try filter.modelSHA256.map { model in
            try Int64.fetchAll(
                db.cachedStatement(sql: "SELECT config_id FROM configs WHERE model_sha256 = ?"),
                arguments: [model])
        }
        var best: (place: Place, room: Int)?
        for (queue, room) in try openQueues(filter.queues) {
            let places =
                if let configs {
                    try configs.compactMap { try first(of: queue, config: $0) }
                } else { try [first(of: queue)].compactMap { $0 } }
            for place in places where best.map({ place.isBefore($0.place) }) ?? true {
                best = (place, room)
            }
        }
        return best.map { ($0.place.job, $0.room) }
    }

    /// Queues that are neither paused nor full.
    private func openQueues(_ names: [String]) throws -> [(queue: String, room: Int)] {
        try Row.fetchAll(
            db.cachedStatement(
                sql: "SELECT queue, max_running FROM queues WHERE paused_at_ms IS NULL")
        ).compactMap { row in
            let queue: String = try row.value("queue")
            guard names.isEmpty || names.contains(queue) else { return nil }
            guard let limit: Int = try row.optional("max_running") else { return (queue, .max) }
            let running = try Int.fetchOne(
                db.cachedStatement(
                    sql: "SELECT count(*) FROM jobs WHERE queue = ? AND state = 'running'"),
                arguments: [queue])
            let room = limit - (running ?? 0)
            return room > 0 ? (queue, room) : nil
        }
    }

    private static func index(_ byConfig: Bool) -> String {
        byConfig ? "jobs_claim_config" : "jobs_claim"
    }

    static func priorityQuery(byConfig: Bool) -> String {
        """
        SELECT priority FROM jobs INDEXED BY \(index(byConfig)) \
        WHERE state = 'queued' AND queue = :queue\
        \(byConfig ? " AND config_id = :config" : "") AND priority < :below
        ORDER BY priority DESC LIMIT 1
        """
    }

    static func headQuery(byConfig: Bool) -> String {
        """
        SELECT run_at_ms, job_id FROM jobs INDEXED BY \(index(byConfig)) \
        WHERE state = 'queued' AND queue = :queue\
        \(byConfig ? " AND config_id = :config" : "") AND priority = :priority \
        AND run_at_ms <= :now
        ORDER BY run_at_ms, job_id LIMIT 1
        """
    }

    private func first(of queue: String, config: Int64? = nil) throws -> Place? {
        let priorities = try db.cachedStatement(
            sql: Self.priorityQuery(byConfig: config != nil))
        let heads = try db.cachedStatement(sql: Self.headQuery(byConfig: config != nil))
        var scope: [String: (any DatabaseValueConvertible)?] = ["queue": queue]
        if let config { scope["config"] = config }
        var below = Int64.max
        while true {
            let next = scope.merging(["below": below]) { $1 }
            guard
                let priority = try Int64.fetchOne(priorities, arguments: StatementArguments(next))
            else { return nil }
            let due = scope.merging(["priority": priority, "now": now]) { $1 }
            if let row = try Row.fetchOne(heads, arguments: StatementArguments(due)) {
                return Place(
                    priority: priority, runAt: try row.value("run_at_ms"),
                    job: try row.value("job_id"))
            }
            below = priority
        }
    }

    private static let companionScope = """
        INDEXED BY jobs_companions WHERE video_id = :video AND config_id = :config
            AND queue = :queue AND state = 'queued' AND crashes = 0
        """

    static let companionPriorityQuery = """
        SELECT priority FROM jobs \(companionScope) AND priority < :below
        ORDER BY priority DESC LIMIT 1
        """

    static let companionQuery = """
        SELECT job_id FROM jobs \(companionScope) AND priority = :priority
            AND run_at_ms <= :now AND job_id <> :head
        ORDER BY run_at_ms, job_id LIMIT :limit
        """

    /// Further jobs of the head's video; none when the head crashed a worker before.
    func companions(of head: JobID, limit: Int) throws -> [JobID] {
        let row = try Row.fetchOne(
            db.cachedStatement(
                sql: "SELECT video_id, config_id, queue, crashes FROM jobs WHERE job_id = ?"),
            arguments: [head])
        guard let row, try row.value("crashes") == 0 else { return [] }
        let scope: [String: (any DatabaseValueConvertible)?] = [
            "video": try row.value("video_id") as Int64,
            "config": try row.value("config_id") as Int64,
            "queue": try row.value("queue") as String,
        ]
        let priorities = try db.cachedStatement(sql: Self.companionPriorityQuery)
        let jobs = try db.cachedStatement(sql: Self.companionQuery)
        var found: [JobID] = []
        var below = Int64.max
        while found.count < limit {
            let next = scope.merging(["below": below]) { $1 }
            guard
                let priority = try Int64.fetchOne(priorities, arguments: StatementArguments(next))
            else { break }
            let due = scope.merging([
                "priority": priority, "now": now, "head": head, "limit": limit - found.count,
            ]) { $1 }
            found += try JobID.fetchAll(jobs, arguments: StatementArguments(due))
            below = priority
        }
        return found
    }
}
