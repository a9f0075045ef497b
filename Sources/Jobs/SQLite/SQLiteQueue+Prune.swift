import Foundation
import GRDB

extension SQLiteQueue {
    package func prune(_ retention: Retention, isDry: Bool) async throws -> PruneReport {
        let scope = PruneScope(retention)
        guard !isDry else { return try await read { try scope.count($0) } }
        // On a connection without checks of references, which would look through all jobs for every
        // video: what refers to what is known here, and goes together.
        var configuration = SQLiteConnections.configuration(
            readOnly: false, environment: environment, journal: journal)
        configuration.foreignKeysEnabled = false
        let connection = try mappingErrors(path) {
            try DatabaseQueue(path: path, configuration: configuration)
        }
        let report = try await write(on: connection) { db, _ in
            let report = try scope.count(db)
            try scope.delete(db)
            return report
        }
        await shortenLog()
        return report
    }
}

/// The jobs that go, and the rows that nobody refers to without them.
private struct PruneScope: Sendable {
    private let condition: String
    private let before: Int64
    private let batch: String?

    init(_ retention: Retention) {
        let states = Set(retention.states).intersection([.succeeded, .failed, .cancelled])
        before = retention.before.milliseconds
        batch = retention.batch
        let names = states.map { "'\($0.rawValue)'" }.sorted().joined(separator: ", ")
        var condition = "j.state IN (\(names)) AND coalesce(j.finished_at_ms < :before, 0)"
        if retention.batch != nil {
            condition += " AND j.batch_id IN (SELECT batch_id FROM batches WHERE name = :batch)"
        }
        self.condition = condition
    }

    /// Rows of each table that go, in an order in which they can be deleted one after the other:
    /// what is asked of `jobs` and `attempts` is asked before these change.
    private var parts: [(table: String, condition: String)] {
        let gone = "SELECT job_id FROM jobs j WHERE \(condition)"
        let kept = "FROM jobs j WHERE NOT (\(condition))"
        return [
            ("answers", "job_id IN (\(gone))"),
            (
                "events",
                batch != nil ? "job_id IN (\(gone))" : "at_ms < :before OR job_id IN (\(gone))"
            ),
            (
                "workers",
                """
                stopped_at_ms IS NOT NULL AND worker_id NOT IN (SELECT t.worker_id FROM attempts t
                    WHERE t.job_id NOT IN (\(gone)))
                """
            ),
            ("attempts", "job_id IN (\(gone))"),
            ("videos", "video_id NOT IN (SELECT j.video_id \(kept))"),
            ("configs", "config_id NOT IN (SELECT j.config_id \(kept))"),
            ("jobs", "job_id IN (\(gone))"),
            // By now the jobs that went are gone.
            ("batches", "batch_id NOT IN (SELECT batch_id FROM jobs)"),
        ]
    }

    func count(_ db: Database) throws -> PruneReport {
        var counts: [String: Int] = [:]
        for part in parts {
            let sql =
                part.table == "batches"
                ? "batch_id NOT IN (SELECT j.batch_id FROM jobs j WHERE NOT (\(condition)))"
                : part.condition
            let query = "SELECT count(*) FROM \(part.table) WHERE \(sql)"
            counts[part.table] = try Int.fetchOne(db, sql: query, arguments: used(in: query))
        }
        return PruneReport(
            jobs: counts["jobs"] ?? 0, attempts: counts["attempts"] ?? 0,
            answers: counts["answers"] ?? 0, batches: counts["batches"] ?? 0,
            videos: counts["videos"] ?? 0, configs: counts["configs"] ?? 0,
            workers: counts["workers"] ?? 0, events: counts["events"] ?? 0)
    }

    func delete(_ db: Database) throws {
        for part in parts {
            let query = "DELETE FROM \(part.table) WHERE \(part.condition)"
            try db.execute(sql: query, arguments: used(in: query))
        }
    }

    private func used(in query: String) -> StatementArguments {
        var used: [String: (any DatabaseValueConvertible)?] = [:]
        if query.contains(":before") { used["before"] = before }
        if query.contains(":batch") { used["batch"] = batch }
        return StatementArguments(used)
    }
}
