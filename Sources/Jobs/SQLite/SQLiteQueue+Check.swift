import Foundation
import GRDB
import Schema

/// What `doctor` says of a queue file.
extension SQLiteQueue {
    package func check() async throws -> [Finding] {
        var findings = [libraryFinding, filesystemFinding]
        findings += try await read { [journal] in try Self.contents($0, journal, path: self.path) }
        findings.append(try await read { [environment] in try Self.drift($0, environment) })
        if let heartbeats = connections.heartbeats {
            findings += try await heartbeats.read { [journal, environment] in
                try Self.durability($0, journal, environment)
            }
        }
        if journal == .wal { findings.append(logFinding) }
        findings.append(ballastFinding)
        findings += try await read { try Self.impossibleRows($0) }
        return findings
    }

    private var libraryFinding: Finding {
        let name = "SQLite \(SQLiteSafety.versionName)"
        if journal == .rollback {
            return Finding(level: .ok, subject: "sqlite", detail: "\(name), rollback journal")
        }
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
        let isLong = bytes > 2 * environment.logLimit
        return Finding(
            level: isLong ? .warning : .ok, subject: "log",
            detail: "write-ahead log of \(bytes / 1024) KiB"
                + (isLong
                    ? ", expected at most \(2 * environment.logLimit / 1024): a program that reads "
                        + "the queue without end keeps it from starting over" : ""))
    }

    private var ballastFinding: Finding {
        let size = ballast.size
        guard environment.ballastBytes > 0 else {
            return Finding(level: .ok, subject: "ballast", detail: "none is wanted")
        }
        let free = Ballast.room(at: path).map { "\($0.free >> 20) MiB" } ?? "an unknown size"
        return Finding(
            level: size > 0 ? .ok : .warning, subject: "ballast",
            detail: size > 0
                ? "\(ballast.path) of \(size / 1024) KiB; free on the disk: \(free)"
                : "\(ballast.path) is missing: the disk is or was full; free on it: \(free)")
    }

    private static func contents(
        _ db: Database, _ journal: QueueJournal, path: String
    ) throws -> [Finding] {
        let damage = try String.fetchAll(db, sql: "PRAGMA integrity_check(5)")
        let orphans =
            try Int.fetchOne(db, sql: "SELECT count(*) FROM pragma_foreign_key_check") ?? 0
        let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        return [
            Finding(good: damage == ["ok"], "integrity", damage.joined(separator: "; ")),
            Finding(good: orphans == 0, "references", "\(orphans) rows refer to missing rows"),
            Finding(good: true, "schema", "\(path): version \(version)"),
            Finding(good: true, "journal", journal.rawValue),
        ]
    }

    private static func durability(
        _ db: Database, _ journal: QueueJournal, _ environment: QueueEnvironment
    ) throws -> [Finding] {
        let level = try Int.fetchOne(db, sql: "PRAGMA synchronous") ?? -1
        let mode = try String.fetchOne(db, sql: "PRAGMA journal_mode") ?? "unknown"
        let expected = journal.synchronous
        var findings = [
            Finding(
                good: level == expected && mode == journal.pragma, "durability",
                "synchronous \(level), journal mode \(mode); expected \(expected), "
                    + journal.pragma)
        ]
        if journal == .wal, environment.guardsCheckpoints {
            let pages = try Int.fetchOne(db, sql: "PRAGMA wal_autocheckpoint") ?? -1
            findings.append(
                Finding(
                    good: pages == 0, "checkpoints",
                    "guarded; automatic ones after \(pages) pages, expected 0 for never"))
        }
        return findings
    }

    /// Compares the catalogue with what the migrations make.
    private static func drift(_ db: Database, _ environment: QueueEnvironment) throws -> Finding {
        let query = """
            SELECT type || ' ' || name, ifnull(sql, '') FROM sqlite_schema
            WHERE name NOT GLOB 'sqlite_*'
            """
        func catalogue(_ db: Database) throws -> [String: String] {
            Dictionary(
                try Row.fetchAll(db, sql: query).map { ($0[0] as String, $0[1] as String) },
                uniquingKeysWith: { first, _ in first })
        }
        let expected = try DatabaseQueue().writeWithoutTransaction { scratch in
            for step in environment.migrations { try scratch.execute(sql: step.sql) }
            return try catalogue(scratch)
        }
        let found = try catalogue(db)
        let missing = expected.keys.filter { found[$0] == nil }.sorted().map { "\($0) is missing" }
        let changed = expected.keys.filter { found[$0] != nil && found[$0] != expected[$0] }
            .sorted().map { "\($0) was changed" }
        let added = found.keys.filter { expected[$0] == nil }.sorted().map { "\($0) was added" }
        let drift = missing + changed + added
        return Finding(
            level: drift.isEmpty ? .ok : missing.isEmpty && changed.isEmpty ? .warning : .error,
            subject: "drift",
            detail: drift.isEmpty ? "the schema is as made" : drift.joined(separator: "; "))
    }

    /// States that no call makes, each with a query for the jobs that are in it.
    private static let impossible = [
        (
            "run under an attempt that is not open or not theirs",
            """
            SELECT j.job_id FROM jobs j LEFT JOIN attempts t ON t.attempt_id = j.attempt_id
            WHERE j.state = 'running' AND (t.job_id IS NOT j.job_id OR t.ended_at_ms IS NOT NULL)
            """
        ),
        (
            "do not run and have an open attempt",
            """
            SELECT t.job_id FROM attempts t JOIN jobs j USING (job_id)
            WHERE t.ended_at_ms IS NULL AND j.attempt_id IS NOT t.attempt_id
            """
        ),
        (
            "succeeded without an answer",
            """
            SELECT j.job_id FROM jobs j LEFT JOIN answers a USING (job_id)
            WHERE j.state = 'succeeded' AND a.job_id IS NULL
            """
        ),
        (
            "have an answer and did not succeed",
            """
            SELECT a.job_id FROM answers a JOIN jobs j USING (job_id) WHERE j.state <> 'succeeded'
            """
        ),
        (
            "have an answer of an attempt that is not theirs or did not succeed",
            """
            SELECT a.job_id FROM answers a JOIN attempts t USING (attempt_id)
            WHERE t.job_id <> a.job_id OR t.outcome IS NOT 'succeeded'
            """
        ),
        (
            "have counts beyond their limits",
            """
            SELECT job_id FROM jobs WHERE attempts_made NOT BETWEEN 0 AND max_attempts
                OR crashes NOT BETWEEN 0 AND max_crashes
            """
        ),
    ]

    private static func impossibleRows(_ db: Database) throws -> [Finding] {
        let findings = try impossible.compactMap { what, query -> Finding? in
            let count = try Int.fetchOne(db, sql: "SELECT count(*) FROM (\(query))") ?? 0
            guard count > 0 else { return nil }
            let some = try JobID.fetchAll(db, sql: query + " LIMIT 5")
            return Finding(
                level: .error, subject: "rows",
                detail: "\(count) jobs \(what): "
                    + some.map(String.init).joined(separator: ", ") + (count > 5 ? " …" : ""))
        }
        return findings.isEmpty
            ? [Finding(level: .ok, subject: "rows", detail: "no impossible states")] : findings
    }
}

extension Finding {
    fileprivate init(good: Bool, _ subject: String, _ detail: String) {
        self.init(level: good ? .ok : .error, subject: subject, detail: detail)
    }
}
