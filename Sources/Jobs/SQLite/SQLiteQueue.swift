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
    let ballast: Ballast
    /// Size of the log at which the next checkpoint is tried.
    let checkpointAt: Mutex<Int64>
    let watch = QueueWatch()

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
        let journal =
            readOnly ? try migrator.prepareForReading() : try migrator.prepareForWriting()
        connections = try SQLiteConnections(
            path: path, journal: journal, readOnly: readOnly, environment: environment)
        ballast = Ballast(queue: path, bytes: environment.ballastBytes)
        checkpointAt = Mutex(environment.logLimit)
        if !readOnly { ballast.make() }
    }

    /// Makes the queue with this journal, or opens one that has it already.
    ///
    /// - Throws: `incompatible` when the queue stands and has the other journal
    package static func create(
        path: String, journal: QueueJournal, environment: QueueEnvironment = QueueEnvironment()
    ) throws(QueueError) -> SQLiteQueue {
        var environment = environment
        environment.journal = journal
        let queue = try SQLiteQueue(path: path, environment: environment)
        guard queue.journal == journal else {
            throw QueueError(
                .incompatible,
                "\(queue.path): is a queue with the journal \(queue.journal.rawValue), expected "
                    + "\(journal.rawValue); make a new queue and move the jobs there")
        }
        return queue
    }

    package var journal: QueueJournal { connections.journal }

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
        let value = try await write(on: connections.pool, body)
        await shortenLog()
        return value
    }

    /// A transaction that stores what was computed: when the disk is full, the ballast goes and it is
    /// tried once more.
    func writeAtAnyCost<T: Sendable>(
        _ body: @escaping @Sendable (Database, _ now: Int64) throws -> T
    ) async throws -> T {
        do {
            return try await write(body)
        } catch let error as QueueError where error.kind == .full {
            guard ballast.free() else { throw error }
            return try await write(body)
        }
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
            connections.reader.asyncRead { [path] result in
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
