import Foundation
import GRDB
import Synchronization

/// The queue in one SQLite file on a local disk, shared by any number of processes of one host.
///
/// Each call is one transaction; a call that returned is on the disk (`synchronous = FULL`). Calls
/// are not cut short by task cancellation: a worker that is being stopped can still store its
/// answer. Errors are `QueueError`.
package final class SQLiteQueue: QueueBackend {
    package let path: String
    let connections: SQLiteConnections
    let environment: QueueEnvironment
    /// The locks of the workers registered through this object, held until they unregister.
    let locks = Mutex<[WorkerID: FileLock]>([:])

    /// Opens the queue, making it when the file is missing (not when `readOnly`).
    ///
    /// - Throws: `incompatible` for another program's file, a newer schema or a network filesystem,
    ///   `unavailable` for a path that cannot be opened, `busy`, `corrupt`.
    package convenience init(path: String, readOnly: Bool = false) throws(QueueError) {
        try self.init(path: path, readOnly: readOnly, environment: QueueEnvironment())
    }

    package init(
        path: String, readOnly: Bool = false, environment: QueueEnvironment
    ) throws(QueueError) {
        // Absolute, because the lock folder and the backups stand beside it.
        let path = URL(fileURLWithPath: path).path
        self.path = path
        self.environment = environment
        let migrator = SchemaMigrator(path: path, environment: environment)
        if readOnly { try migrator.prepareForReading() } else { try migrator.prepareForWriting() }
        connections = try SQLiteConnections(
            path: path, readOnly: readOnly, environment: environment)
    }

    package var title: String { path }
    package var capabilities: BackendCapabilities {
        BackendCapabilities(isMultiHost: false, pushesWakeups: false, usesServerClock: false)
    }

    /// Folder of the workers' lock files.
    var lockFolder: String { path + ".workers" }

    /// One `BEGIN IMMEDIATE` transaction. `body` gets the time, taken once the lock is held.
    func write<T: Sendable>(
        _ body: @escaping @Sendable (Database, _ now: Int64) throws -> T
    ) async throws -> T {
        try await write(on: connections.pool, body)
    }

    func write<T: Sendable>(
        on writer: any DatabaseWriter,
        _ body: @escaping @Sendable (Database, _ now: Int64) throws -> T
    ) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            writer.asyncWriteWithoutTransaction { [path, environment] db in
                continuation.resume(
                    with: Result {
                        var value: T?
                        try db.inTransaction(.immediate) {
                            value = try body(db, environment.now())
                            return .commit
                        }
                        guard let value else {
                            throw QueueError(.unavailable, "\(path): a transaction had no result")
                        }
                        return value
                    }.mapError { QueueError($0, path: path) })
            }
        }
    }

    /// One consistent snapshot.
    func read<T: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> T
    ) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            connections.pool.asyncRead { [path] result in
                continuation.resume(
                    with: Result { try body(result.get()) }
                        .mapError { QueueError($0, path: path) })
            }
        }
    }
}

extension Duration {
    var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }
}

extension Date {
    var milliseconds: Int64 { Int64((timeIntervalSince1970 * 1000).rounded()) }
    init(milliseconds: Int64) { self.init(timeIntervalSince1970: Double(milliseconds) / 1000) }
}
