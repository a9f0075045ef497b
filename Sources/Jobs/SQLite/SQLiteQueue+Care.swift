import Foundation
import GRDB

extension SQLiteQueue {
    /// Does nothing while another process checkpoints or holds a long transaction: the next call will.
    package func maintain() async throws {
        guard connections.heartbeats != nil else { return }
        try await buryIdleWorkers()
        _ = try await checkpoint()
    }

    func checkpoint() async throws -> GuardedCheckpoint.Outcome {
        let checkpoint = GuardedCheckpoint(path: path, environment: environment)
        return try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async { [path, connections] in
                continuation.resume(
                    with: Result {
                        try SQLiteConnections.assertDurable(connections.pool)
                        return try checkpoint.run()
                    }.mapError { QueueError($0, path: path) })
            }
        }
    }

    package func check() async throws -> [Finding] {
        let facts = try await read { try DatabaseFacts($0) }
        let synchronous = try await connections.heartbeats?.synchronousMode()
        return [libraryFinding, filesystemFinding, logFinding]
            + facts.findings(path: path, synchronous: synchronous)
    }

    private var libraryFinding: Finding {
        let name = "SQLite \(SQLiteSafety.versionName)"
        if SQLiteSafety.isWALResetFixed(version: SQLiteSafety.version) {
            return Finding(level: .ok, subject: "sqlite", detail: name)
        }
        if SQLiteSafety.isMarkedFixed {
            return Finding(
                level: .warning, subject: "sqlite",
                detail: "\(name), marked by ZIPVL_SQLITE_WAL_FIXED=1 as free of the WAL-reset "
                    + "fault")
        }
        return Finding(
            level: .ok, subject: "sqlite",
            detail: "\(name) has the WAL-reset fault; checkpoints are guarded. Do not write to the "
                + "queue with other programs while workers run")
    }

    private var filesystemFinding: Finding {
        let mount = NetworkFilesystem.mount(of: path, mounts: environment.mounts())
        return Finding(
            level: mount == nil ? .warning : .ok, subject: "filesystem",
            detail: mount.map { "\($0.type) at \($0.point)" } ?? "/proc/mounts does not tell")
    }

    private var logFinding: Finding {
        let bytes = connections.logBytes(of: path)
        let detail = "write-ahead log of \(bytes / 1024) KiB"
        return Finding(
            level: bytes > 8 * environment.logLimit ? .warning : .ok, subject: "log",
            detail: detail)
    }
}

extension DatabaseQueue {
    fileprivate func synchronousMode() async throws -> Int? {
        try await read { try Int.fetchOne($0, sql: "PRAGMA synchronous") }
    }
}

/// What the database says of itself.
private struct DatabaseFacts: Sendable {
    var integrity: [String]
    var journal: String?
    var version: Int?
    var orphanedKeys: Int

    init(_ db: Database) throws {
        integrity = try String.fetchAll(db, sql: "PRAGMA quick_check(5)")
        journal = try String.fetchOne(db, sql: "PRAGMA journal_mode")
        version = try Int.fetchOne(db, sql: "PRAGMA user_version")
        orphanedKeys =
            try Int.fetchOne(db, sql: "SELECT count(*) FROM pragma_foreign_key_check") ?? 0
    }

    func findings(path: String, synchronous: Int?) -> [Finding] {
        func finding(_ good: Bool, _ subject: String, _ detail: String) -> Finding {
            Finding(level: good ? .ok : .error, subject: subject, detail: detail)
        }
        var findings = [
            finding(integrity == ["ok"], "integrity", integrity.joined(separator: "; ")),
            finding(
                orphanedKeys == 0, "references", "\(orphanedKeys) rows refer to missing rows"),
            finding(
                journal == "wal", "journal", "journal mode \(journal ?? "unknown"), expected wal"),
            finding(true, "schema", "\(path): version \(version ?? 0)"),
        ]
        if let synchronous {
            findings.append(
                finding(synchronous == 2, "durability", "synchronous \(synchronous), expected 2"))
        }
        return findings
    }
}
