import Foundation
package import Schema

/// How an SQLite queue survives a crash in the middle of a commit. Chosen when the file is made, told
/// by its header afterwards.
package enum QueueJournal: String, Sendable, Codable, CaseIterable {
    /// Write-ahead log: readers and the writer do not wait for one another.
    case wal
    /// Rollback journal, truncated at each commit: ten times slower, a reader keeps writers waiting,
    /// and free of the log's faults (`SQLiteSafety`).
    case rollback

    /// `PRAGMA journal_mode`, as set and as answered.
    var pragma: String { self == .wal ? "wal" : "truncate" }
    /// `PRAGMA synchronous` with which a commit that returned survives a power cut: FULL, or EXTRA,
    /// which also syncs the folder after the journal was cut.
    var synchronous: Int { self == .wal ? 2 : 3 }
}

/// What a `SQLiteQueue` takes from its surroundings; tests put their own in.
package struct QueueEnvironment: Sendable {
    /// Unix milliseconds UTC.
    package var now: @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970 * 1000) }
    package var host = HostIdentity.current
    /// How long a call waits for another process's transaction.
    package var busyTimeout: Double = 30
    /// Whether only `GuardedCheckpoint` may checkpoint.
    package var guardsCheckpoints = SQLiteSafety.needsGuard
    /// Text of `/proc/mounts`.
    package var mounts: @Sendable () -> String = {
        (try? String(contentsOfFile: "/proc/mounts", encoding: .utf8)) ?? ""
    }
    package var migrations = Schema.sqlite
    /// Bytes of write-ahead log after which a writer checkpoints.
    package var logLimit: Int64 = 8 << 20
    /// Of a file that is made; an existing one keeps its own.
    package var journal = QueueJournal.wal
    /// Size of the file that is given up when the disk is full; smaller on a small disk, 0 for none.
    package var ballastBytes: Int64 = 4 << 20

    package init() {}
}
