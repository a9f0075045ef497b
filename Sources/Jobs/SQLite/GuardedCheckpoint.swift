import Foundation
import GRDB

/// Copies the write-ahead log into the database without the race that loses commits
/// (`SQLiteSafety`): while one connection holds the write lock nobody can restart the log, so a
/// passive checkpoint on another connection sees a log that stands still.
struct GuardedCheckpoint {
    enum Outcome: Equatable {
        /// Pages in the log, and how many of them are now in the database.
        case done(pages: Int, copied: Int)
        /// Somebody else checkpoints, or writes and does not end.
        case skipped(String)
    }

    let path: String
    let environment: QueueEnvironment

    func run() throws -> Outcome {
        guard let lock = try FileLock(path: path + ".maint.lock") else {
            return .skipped("\(path).maint.lock is held")
        }
        return try withExtendedLifetime(lock) {
            var environment = environment
            environment.busyTimeout = min(environment.busyTimeout, 2)
            let configuration = SQLiteConnections.configuration(
                readOnly: false, environment: environment)
            let writer = try DatabaseQueue(path: path, configuration: configuration)
            let checkpointer = try DatabaseQueue(path: path, configuration: configuration)
            return try writer.inDatabase { db in
                do {
                    try db.beginTransaction(.immediate)
                } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
                    return .skipped("a writer holds the database")
                }
                let result = Result { try Self.checkpoint(checkpointer) }
                try db.rollback()
                return try result.get()
            }
        }
    }

    private static func checkpoint(_ queue: DatabaseQueue) throws -> Outcome {
        try queue.inDatabase { db in
            let row = try Row.fetchOne(db, sql: "PRAGMA wal_checkpoint(PASSIVE)")
            guard let row, row.count == 3, let pages = row[1] as Int?, let copied = row[2] as Int?
            else { return .skipped("no log") }
            return .done(pages: pages, copied: copied)
        }
    }
}
