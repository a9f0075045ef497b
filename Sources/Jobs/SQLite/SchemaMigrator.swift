import Foundation
import GRDB
import Schema

/// Brings a queue file to the schema of this program, or says why it cannot be used. Nothing of a
/// file that is not a queue is changed.
struct SchemaMigrator {
    let path: String
    let environment: QueueEnvironment

    /// What a file is, by its header and catalogue.
    private enum Found {
        case empty
        case ready(QueueJournal)
        case older(Int)
    }

    /// Makes the queue in a missing or empty file, migrates an older one. Processes that come at the
    /// same time wait for one another at `<path>.maint.lock`.
    func prepareForWriting() throws(QueueError) -> QueueJournal {
        try refuseNetworkFilesystem()
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder),
            isFolder.boolValue
        else { throw QueueError(.unavailable, "\(path): the folder \(folder) does not exist") }

        if FileManager.default.fileExists(atPath: path), case .ready(let journal) = try inspect() {
            return journal
        }
        let lock = try FileLock.wait(
            path: path + ".maint.lock", seconds: environment.busyTimeout)
        return try withExtendedLifetime(lock) { () throws(QueueError) in
            if case .ready(let journal) = try inspect() { return journal }
            return try migrateWaiting()
        }
    }

    /// The switch to write-ahead logging fails at once, without waiting, while another process
    /// looks at the file: that is tried again.
    private func migrateWaiting() throws(QueueError) -> QueueJournal {
        let deadline = ContinuousClock.now + .seconds(environment.busyTimeout)
        while true {
            do {
                return try migrate()
            } catch {
                let error = QueueError(error, path: path)
                guard error.kind == .busy, ContinuousClock.now < deadline else { throw error }
                Thread.sleep(forTimeInterval: 0.01)
            }
        }
    }

    /// Refuses what cannot be read as a queue of this schema version.
    func prepareForReading() throws(QueueError) -> QueueJournal {
        try refuseNetworkFilesystem()
        guard FileManager.default.fileExists(atPath: path) else {
            throw QueueError(.unavailable, "\(path): no such queue")
        }
        switch try inspect(readOnly: true) {
        case .ready(let journal): return journal
        case .empty: throw QueueError(.unavailable, "\(path): the file is empty, not yet a queue")
        case .older(let version):
            throw QueueError(
                .incompatible,
                "\(path): schema version \(version), this program reads version \(latest); "
                    + "a command that writes to the queue migrates it")
        }
    }

    private var latest: Int { environment.migrations.last?.version ?? 0 }

    private func refuseNetworkFilesystem() throws(QueueError) {
        guard let mount = NetworkFilesystem.networkMount(of: path, mounts: environment.mounts())
        else { return }
        throw QueueError(
            .incompatible,
            "\(path): lies on the network filesystem \(mount.type) at \(mount.point), where SQLite "
                + "cannot keep several processes apart; put the queue on a local disk, or use "
                + "--queue postgresql://USER@HOST/DATABASE for workers on several machines")
    }

    /// A connection without the pool, which would switch any file to write-ahead logging.
    private func connect(readOnly: Bool = false) throws -> DatabaseQueue {
        try DatabaseQueue(
            path: path,
            configuration: SQLiteConnections.configuration(
                readOnly: readOnly, environment: environment, journal: nil))
    }

    /// From this version on a file without a write-ahead log was made so; before, there was no choice.
    private static let firstWithRollback = 4

    private func inspect(readOnly: Bool = false) throws(QueueError) -> Found {
        do {
            return try connect(readOnly: readOnly).inDatabase { db in
                let application = try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0
                let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
                let objects = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master") ?? 0
                if application == 0 && version == 0 && objects == 0 { return .empty }
                guard application == Schema.applicationID else {
                    throw QueueError(
                        .incompatible,
                        "\(path): another program's database: application_id \(hex(application)), "
                            + "expected \(hex(Schema.applicationID))")
                }
                guard version <= latest else {
                    throw QueueError(
                        .incompatible,
                        "\(path): schema version \(version), this program knows up to version "
                            + "\(latest); use a newer zipvl-batch")
                }
                guard version == latest else { return .older(version) }
                let journal = try Self.journal(of: db, version: version)
                guard let journal else { return readOnly ? .ready(.rollback) : .older(version) }
                return .ready(journal)
            }
        } catch let error as DatabaseError where error.resultCode == .SQLITE_NOTADB {
            throw QueueError(.incompatible, "\(path): is not an SQLite database")
        } catch {
            throw QueueError(error, path: path)
        }
    }

    /// What the file's header tells; `nil` when write-ahead logging is still to be switched on.
    private static func journal(of db: Database, version: Int) throws -> QueueJournal? {
        let mode = try String.fetchOne(db, sql: "PRAGMA journal_mode")
        if mode == "wal" { return .wal }
        return version >= firstWithRollback ? .rollback : nil
    }

    private func migrate() throws -> QueueJournal {
        let queue = try connect()
        return try queue.writeWithoutTransaction { db in
            let found = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
            let journal =
                found == 0
                ? environment.journal : try Self.journal(of: db, version: found) ?? .wal
            // The journal first: a process that is killed in between leaves an empty file, not a
            // queue with the wrong journal. With a log, or before the commit, the backup can be read
            // while the transaction below keeps everybody else's writes out.
            try db.execute(sql: "PRAGMA journal_mode = \(journal.pragma)")
            try db.execute(sql: "PRAGMA synchronous = \(journal.synchronous)")
            try db.inTransaction(.immediate) {
                let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
                if version > 0 && version < latest { try backUp(version: version) }
                for step in environment.migrations where step.version > version {
                    try db.execute(sql: step.sql)
                    try db.execute(sql: "PRAGMA user_version = \(step.version)")
                }
                try db.execute(sql: "PRAGMA application_id = \(Schema.applicationID)")
                return .commit
            }
            return journal
        }
    }

    /// `<path>.v<version>-<time>.backup`, a whole database.
    private func backUp(version: Int) throws {
        let target = "\(path).v\(version)-\(environment.now()).backup"
        try QueueCopy(path: path, environment: environment).write(to: target)
    }

    private func hex(_ value: Int32) -> String {
        "0x" + String(UInt32(bitPattern: value), radix: 16, uppercase: true)
    }
}
