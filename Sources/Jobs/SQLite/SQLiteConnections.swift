import Foundation
import GRDB

/// The open connections of one queue file: a writer with readers, and a second writer that is for
/// heartbeats alone, so that a long enqueue does not let leases run out.
struct SQLiteConnections: Sendable {
    let journal: QueueJournal
    /// A pool with a write-ahead log, a single connection with a rollback journal (a pool would switch
    /// the file over).
    let pool: any DatabaseWriter
    let reader: any DatabaseReader
    /// `nil` when read-only.
    let heartbeats: DatabaseQueue?

    /// Opens a file that `SchemaMigrator` has prepared.
    init(
        path: String, journal: QueueJournal, readOnly: Bool, environment: QueueEnvironment
    ) throws(QueueError) {
        self.journal = journal
        let configuration = Self.configuration(
            readOnly: readOnly, environment: environment, journal: journal)
        let pool: any DatabaseWriter = try Self.waiting(path, environment) {
            switch journal {
            case .wal: try DatabasePool(path: path, configuration: configuration)
            case .rollback: try DatabaseQueue(path: path, configuration: configuration)
            }
        }
        self.pool = pool
        if readOnly {
            reader = pool
            heartbeats = nil
            return
        }
        try mappingErrors(path) { try Self.assertDurable(pool, journal, path: path) }
        let heartbeats = try Self.waiting(path, environment) {
            try DatabaseQueue(path: path, configuration: configuration)
        }
        try mappingErrors(path) { try Self.assertDurable(heartbeats, journal, path: path) }
        self.heartbeats = heartbeats
        reader =
            switch journal {
            case .wal: pool
            case .rollback:
                try Self.waiting(path, environment) {
                    try DatabaseQueue(
                        path: path,
                        configuration: Self.configuration(
                            readOnly: true, environment: environment, journal: journal))
                }
            }
    }

    /// Settings of every connection to a queue file.
    ///
    /// `trusted_schema` stays on: with it off, 3.40 refuses the schema's `json_valid` checks.
    ///
    /// - Parameter journal: `nil` leaves the file's journal alone, whatever it is
    static func configuration(
        readOnly: Bool, environment: QueueEnvironment, journal: QueueJournal? = .wal
    ) -> Configuration {
        var configuration = Configuration()
        configuration.readonly = readOnly
        configuration.busyMode = .timeout(environment.busyTimeout)
        configuration.foreignKeysEnabled = true
        // A log that starts over is cut to half of what makes a worker checkpoint; without that its
        // file would stay above the limit, and every job would end with a checkpoint.
        let logSize = environment.logLimit / 2
        let autocheckpoint = environment.guardsCheckpoints ? "PRAGMA wal_autocheckpoint = 0;" : ""
        // The header does not say which rollback journal; every connection does for itself.
        let rollback =
            journal == .rollback && !readOnly ? "PRAGMA journal_mode = TRUNCATE;" : ""
        let synchronous = (journal ?? .wal).synchronous
        configuration.prepareDatabase { db in
            try db.execute(
                sql: """
                    \(autocheckpoint)
                    \(rollback)
                    PRAGMA journal_size_limit = \(logSize);
                    PRAGMA mmap_size = 0;
                    PRAGMA synchronous = \(synchronous);
                    """)
        }
        return configuration
    }

    /// Sets a writer back to what makes a commit durable and checks that it took.
    ///
    /// The pool sets NORMAL when it switches to WAL, after `prepareDatabase` has run. NORMAL would
    /// lose acknowledged answers at a power cut.
    static func assertDurable(
        _ writer: any DatabaseWriter, _ journal: QueueJournal, path: String
    ) throws {
        try writer.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA synchronous = \(journal.synchronous)")
            let level = try Int.fetchOne(db, sql: "PRAGMA synchronous")
            guard level == journal.synchronous else {
                throw QueueError(
                    .incompatible,
                    "\(path): PRAGMA synchronous is \(level ?? -1), expected "
                        + "\(journal.synchronous)")
            }
            let mode = try String.fetchOne(db, sql: "PRAGMA journal_mode")
            guard mode == journal.pragma else {
                throw QueueError(
                    .incompatible,
                    "\(path): PRAGMA journal_mode is \(mode ?? "unknown"), expected "
                        + journal.pragma)
            }
        }
    }

    /// Size of the write-ahead log in bytes. Asks the file system and does not open the file, which
    /// would drop this process's locks when it is closed.
    func logBytes(of path: String) -> Int64 {
        ContentIdentity.statistics(path + "-wal")?.size ?? 0
    }

    /// While it opens, a connection may write to the file in a deferred transaction, which fails at
    /// once when another process commits in between: that is tried again.
    private static func waiting<T>(
        _ path: String, _ environment: QueueEnvironment, _ open: () throws -> T
    ) throws(QueueError) -> T {
        let deadline = ContinuousClock.now + .seconds(environment.busyTimeout)
        while true {
            do {
                return try open()
            } catch {
                let error = QueueError(error, path: path)
                guard error.kind == .busy, ContinuousClock.now < deadline else { throw error }
                Thread.sleep(forTimeInterval: 0.01)
            }
        }
    }
}
