import Foundation
import GRDB
import Glibc

/// A consistent copy of a queue file, made while others work on it.
struct QueueCopy {
    let path: String
    let environment: QueueEnvironment

    /// Writes the copy beside `target`, reads it through, brings it to the disk, and only then gives it
    /// its name.
    ///
    /// - Throws: `invalid` when there is a file at `target`, `corrupt` when the copy is damaged
    func write(to target: String) throws(QueueError) {
        guard ContentIdentity.statistics(target) == nil else {
            throw QueueError(.invalid, "\(target): exists already")
        }
        let part = "\(target).\(getpid())-\(UInt32.random(in: .min ... .max)).part"
        defer { for suffix in ["", "-wal", "-shm", "-journal"] { unlink(part + suffix) } }
        do {
            let source = try DatabaseQueue(
                path: path,
                configuration: SQLiteConnections.configuration(
                    readOnly: false, environment: environment, journal: nil))
            let mode = try source.writeWithoutTransaction { db in
                try db.execute(sql: "VACUUM INTO ?", arguments: [part])
                return try String.fetchOne(db, sql: "PRAGMA journal_mode")
            }
            try verify(part, isLogged: mode == "wal")
        } catch {
            let error = QueueError(error, path: target)
            throw QueueError(error.kind, "\(path): cannot be copied: \(error.message)")
        }
        try sync(part)
        // A link fails where a rename would replace what somebody put there meanwhile.
        if link(part, target) != 0 {
            let code = errno
            guard code != EEXIST else { throw QueueError(.invalid, "\(target): exists already") }
            guard rename(part, target) == 0 else { throw failure(target, "renamed to", errno) }
        }
        try sync(URL(fileURLWithPath: target).deletingLastPathComponent().path)
    }

    private func verify(_ part: String, isLogged: Bool) throws {
        var configuration = Configuration()
        configuration.busyMode = .timeout(environment.busyTimeout)
        let copy = try DatabaseQueue(path: part, configuration: configuration)
        try copy.writeWithoutTransaction { db in
            let damage = try String.fetchAll(db, sql: "PRAGMA quick_check(5)")
            let orphans = try Int.fetchOne(
                db, sql: "SELECT count(*) FROM pragma_foreign_key_check")
            guard damage == ["ok"], orphans == 0 else {
                throw QueueError(
                    .corrupt,
                    "\(path): its copy is damaged: \(damage.joined(separator: "; ")), "
                        + "\(orphans ?? 0) rows refer to missing rows")
            }
            // VACUUM INTO leaves the header of a file with a rollback journal.
            if isLogged { try db.execute(sql: "PRAGMA journal_mode = WAL") }
        }
        try copy.close()
    }

    private func sync(_ file: String) throws(QueueError) {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(file, "opened", errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure(file, "synced", errno) }
    }

    private func failure(_ file: String, _ what: String, _ code: Int32) -> QueueError {
        QueueError(
            code == ENOSPC ? .full : .unavailable,
            "\(file): cannot be \(what): \(String(cString: strerror(code)))")
    }
}

extension SQLiteQueue {
    package func backup(to path: String) async throws {
        let copy = QueueCopy(path: self.path, environment: environment)
        let target = URL(fileURLWithPath: path).path
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(with: Result { try copy.write(to: target) })
            }
        }
    }
}
