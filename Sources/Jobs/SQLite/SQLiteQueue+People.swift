import Foundation
import GRDB

/// What people do to jobs.
extension SQLiteQueue {
    /// Failed and cancelled jobs of the selection go back to `queued` with their attempts and crashes
    /// forgotten.
    ///
    /// Left as they are: a cancelled job whose question was enqueued anew since; and a job whose file
    /// was found to be no video, unless it is named by its own id (a repaired file has another
    /// identity, so enqueueing it again is the way).
    ///
    /// - Returns: how many went back.
    package func retry(_ selection: JobSelection) async throws -> Int {
        try await write { db, now in
            let condition = selection.condition
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT j.job_id,
                        coalesce(j.error_class = 'input' AND v.content_id LIKE 'bad:%', 0) AS bad
                    FROM jobs j JOIN batches b USING (batch_id) JOIN videos v USING (video_id)
                    WHERE j.state IN ('failed', 'cancelled') AND \(condition.sql)
                    ORDER BY j.job_id DESC
                    """, arguments: condition.arguments)
            var count = 0
            for row in rows {
                let job: JobID = try row.value("job_id")
                if try row.value("bad") && !selection.names(job) { continue }
                try db.execute(
                    sql: """
                        UPDATE jobs SET state = 'queued', attempts_made = 0, crashes = 0,
                            run_at_ms = ?, error_class = NULL, error_code = NULL,
                            error_message = NULL, stage = NULL, progress = NULL,
                            finished_at_ms = NULL, cancel_requested_at_ms = NULL
                        WHERE job_id = ? AND NOT EXISTS (SELECT 1 FROM jobs o
                            WHERE o.dedupe_key = jobs.dedupe_key AND o.state <> 'cancelled'
                              AND o.job_id <> jobs.job_id)
                        """, arguments: [now, job])
                guard db.changesCount > 0 else { continue }
                try Self.record(db, "retried", job: job, now)
                count += 1
            }
            return count
        }
    }

    /// Held and queued jobs are cancelled at once; running ones are asked to stop and are cancelled
    /// when their worker hears of it at its next heartbeat.
    ///
    /// - Returns: how many were cancelled or asked.
    package func cancel(_ selection: JobSelection) async throws -> Int {
        try await write { db, now in
            let condition = selection.condition
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT j.job_id, j.state FROM jobs j JOIN batches b USING (batch_id)
                    WHERE j.state IN ('held', 'queued', 'running')
                      AND j.cancel_requested_at_ms IS NULL AND \(condition.sql)
                    """, arguments: condition.arguments)
            for row in rows {
                let job: JobID = try row.value("job_id")
                if try row.state() == .running {
                    try db.execute(
                        sql: "UPDATE jobs SET cancel_requested_at_ms = ? WHERE job_id = ?",
                        arguments: [now, job])
                    try Self.record(db, "cancel_requested", job: job, now)
                } else {
                    try Self.finish(db, job, .cancelled, .cancelled, now)
                    try Self.record(db, "cancelled", job: job, now)
                }
            }
            return rows.count
        }
    }

    package func remaining(_ selection: JobSelection) async throws -> Int {
        try await read { db in
            let condition = selection.condition
            return try Int.fetchOne(
                db,
                sql: """
                    SELECT count(*) FROM jobs j JOIN batches b USING (batch_id)
                    WHERE j.state IN ('queued', 'running') AND \(condition.sql)
                    """, arguments: condition.arguments) ?? 0
        }
    }

    package func isDrained(_ filter: ClaimFilter) async throws -> Bool {
        let now = environment.now()
        let queues = filter.queues.isEmpty ? nil : JSONText.encode(filter.queues)
        let isAsked = """
            (:queues IS NULL OR j.queue IN (SELECT value FROM json_each(:queues)))
            AND (:model IS NULL OR j.config_id IN (
                SELECT config_id FROM configs WHERE model_sha256 = :model))
            """
        return try await read { db in
            try Bool.fetchOne(
                db,
                sql: """
                    SELECT NOT EXISTS (SELECT 1 FROM jobs j WHERE j.state = 'running' AND \(isAsked))
                        AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.state = 'queued' AND \(isAsked)
                            AND (j.attempts_made > 0 OR j.run_at_ms <= :now))
                    """, arguments: ["queues": queues, "model": filter.modelSHA256, "now": now]
            ) ?? true
        }
    }
}

/// Order and pause.
extension SQLiteQueue {
    package func hold(_ selection: JobSelection) async throws -> Int {
        try await change(selection, from: ["queued"], "state = 'held'", event: "held")
    }

    package func unhold(_ selection: JobSelection) async throws -> Int {
        try await change(selection, from: ["held"], "state = 'queued'", event: "unheld")
    }

    package func prioritize(_ selection: JobSelection, priority: Int) async throws -> Int {
        guard (-1000...1000).contains(priority) else {
            throw QueueError(.invalid, "priority \(priority), expected -1000 to 1000")
        }
        return try await change(
            selection, from: ["held", "queued"], "priority = \(priority)", event: "prioritized")
    }

    /// Applies an assignment to the jobs of the selection that are in one of these states.
    private func change(
        _ selection: JobSelection, from states: [String], _ assignment: String, event: String
    ) async throws -> Int {
        try await write { db, now in
            let condition = selection.condition
            let jobs = try JobID.fetchAll(
                db,
                sql: """
                    SELECT j.job_id FROM jobs j JOIN batches b USING (batch_id)
                    WHERE j.state IN ('\(states.joined(separator: "', '"))') AND \(condition.sql)
                    """, arguments: condition.arguments)
            let update = try db.cachedStatement(
                sql: "UPDATE jobs SET \(assignment) WHERE job_id = ?")
            for job in jobs {
                try update.execute(arguments: [job])
                try Self.record(db, event, job: job, now)
            }
            return jobs.count
        }
    }

    package func pause(queue: String) async throws {
        guard !queue.isEmpty else { throw QueueError(.invalid, "the queue has no name") }
        try await write { db, now in
            try db.execute(
                sql: """
                    INSERT INTO queues (queue, paused_at_ms) VALUES (?, ?) ON CONFLICT (queue)
                    DO UPDATE SET paused_at_ms = coalesce(paused_at_ms, excluded.paused_at_ms)
                    """, arguments: [queue, now])
        }
    }

    package func resume(queue: String) async throws {
        try await write { [path] db, _ in
            try db.execute(
                sql: "UPDATE queues SET paused_at_ms = NULL WHERE queue = ?", arguments: [queue])
            guard db.changesCount > 0 else {
                throw QueueError(.invalid, "\(path): there is no queue \(queue)")
            }
        }
    }

    /// In the order of their names.
    package func queues() async throws -> [QueueRow] {
        try await read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT q.queue, q.paused_at_ms IS NOT NULL AS paused,
                        (SELECT count(*) FROM jobs j
                         WHERE j.state = 'queued' AND j.queue = q.queue) AS queued,
                        (SELECT count(*) FROM jobs j
                         WHERE j.state = 'running' AND j.queue = q.queue) AS running
                    FROM queues q ORDER BY q.queue
                    """
            ).map { row in
                QueueRow(
                    queue: try row.value("queue"), isPaused: try row.value("paused"),
                    queued: try row.value("queued"), running: try row.value("running"))
            }
        }
    }
}
