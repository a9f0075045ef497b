import Foundation
import GRDB

/// The open connections of one queue file: a pool (one writer, several readers) and a second writer
/// that is for heartbeats alone, so that a long enqueue does not let leases run out.
struct SQLiteConnections: Sendable {
    let pool: DatabasePool
    /// `nil` when read-only.
    let heartbeats: DatabaseQueue?

    /// Opens a file that `SchemaMigrator` has prepared.
    init(path: String, readOnly: Bool, environment: QueueEnvironment) throws(QueueError) {
        let configuration = Self.configuration(readOnly: readOnly, environment: environment)
        let pool = try Self.openPool(path: path, configuration: configuration, environment)
        self.pool = pool
        if readOnly {
            heartbeats = nil
        } else {
            try mappingErrors(path) { try Self.assertDurable(pool) }
            heartbeats = try mappingErrors(path) {
                try DatabaseQueue(path: path, configuration: configuration)
            }
        }
    }

    /// Settings of every connection to a queue file.
    ///
    /// `trusted_schema` stays on: with it off, 3.40 refuses the schema's `json_valid` checks.
    static func configuration(readOnly: Bool, environment: QueueEnvironment) -> Configuration {
        var configuration = Configuration()
        configuration.readonly = readOnly
        configuration.busyMode = .timeout(environment.busyTimeout)
        configuration.foreignKeysEnabled = true
        // A log that starts over is cut to half of what makes a worker checkpoint; without that its
        // file would stay above the limit, and every job would end with a checkpoint.
        let logSize = environment.logLimit / 2
        let autocheckpoint = environment.guardsCheckpoints ? "PRAGMA wal_autocheckpoint = 0;" : ""
        configuration.prepareDatabase { db in
            try db.execute(
                sql: """
                    \(autocheckpoint)
                    PRAGMA journal_size_limit = \(logSize);
                    PRAGMA mmap_size = 0;
                    PRAGMA synchronous = FULL;
                    """)
        }
        return configuration
    }

    /// Sets the writer back to `synchronous = FULL` and checks that it took.
    ///
    /// The pool sets NORMAL when it switches to WAL, after `prepareDatabase` has run. NORMAL would
    /// lose acknowledged answers at a power cut.
    static func assertDurable(_ pool: DatabasePool) throws {
        try pool.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA synchronous = FULL")
            let mode = try Int.fetchOne(db, sql: "PRAGMA synchronous")
            guard mode == 2 else {
                throw QueueError(
                    .incompatible,
                    "\(pool.path): PRAGMA synchronous is \(mode ?? -1), expected 2 (FULL)")
            }
        }
    }

    /// Size of the write-ahead log in bytes. Asks the file system and does not open the file, which
    /// would drop this process's locks when it is closed.
    func logBytes(of path: String) -> Int64 {
        ContentIdentity.statistics(path + "-wal")?.size ?? 0
    }

    /// While it opens, the pool may write to the file in a deferred transaction, which fails at once
    /// when another process commits in between: that is tried again.
    private static func openPool(
        path: String, configuration: Configuration, _ environment: QueueEnvironment
    ) throws(QueueError) -> DatabasePool {
        let deadline = ContinuousClock.now + .seconds(environment.busyTimeout)
        while true {
            do {
                return try DatabasePool(path: path, configuration: configuration)
            } catch {
                let error = QueueError(error, path: path)
                guard error.kind == .busy, ContinuousClock.now < deadline else { throw error }
                Thread.sleep(forTimeInterval: 0.01)
            }
        }
    }
}
