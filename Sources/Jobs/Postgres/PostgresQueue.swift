import Foundation
import Synchronization

/// The queue in a PostgreSQL database, shared by workers on any number of machines.
///
/// The server's clock decides. Claims pass over rows that others have locked (`SKIP LOCKED`), so
/// that workers do not wait for one another. A call that returned is on the server's disk
/// (`synchronous_commit`). Calls are not cut short by task cancellation; each ends within
/// `PostgresEnvironment.callLimit`, or `longCallLimit`, and throws `QueueError`.
package final class PostgresQueue: Sendable {
    package let title: String
    let target: PostgresTarget
    let environment: PostgresEnvironment
    let isReadOnly: Bool
    /// Claims and what ends them.
    let work: PostgresConnection
    /// Heartbeats wait for nothing else.
    let heartbeats: PostgresConnection
    /// What people ask for, and what takes long.
    let people: PostgresConnection
    let listener: PostgresListener
    /// Folder of this host's lock files.
    let lockFolder: String
    /// The locks of the workers registered through this object, held until they unregister.
    let locks = Mutex<[WorkerID: FileLock]>([:])
    let claims = Mutex(ClaimState())

    /// Opens the queue, making its tables when they are missing (not when `readOnly`).
    ///
    /// - Parameter url: `postgresql://USER@HOST:PORT/DATABASE`
    /// - Throws: `invalid` for a URL that cannot be read, `unavailable` for a server that does not
    ///   answer, `incompatible` for a newer schema, another program's or a database that is not UTF-8
    package convenience init(url: String, readOnly: Bool = false) throws(QueueError) {
        try self.init(url: url, readOnly: readOnly, environment: PostgresEnvironment())
    }

    package init(
        url: String, readOnly: Bool = false, environment: PostgresEnvironment
    ) throws(QueueError) {
        target = try PostgresTarget(url: url)
        title = target.title
        isReadOnly = readOnly
        self.environment = environment
        let settings = Self.settings(environment, readOnly: readOnly)
        // Plans of what is run over and over: made once, by index, whatever the server's statistics say
        // of tables that were empty when they were made.
        let often =
            settings + "; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; "
            + "SET enable_hashjoin = off; SET enable_mergejoin = off"
        work = PostgresConnection(target: target, role: "work", settings: often)
        heartbeats = PostgresConnection(target: target, role: "heartbeat", settings: often)
        people = PostgresConnection(target: target, role: "people", settings: settings)
        listener = PostgresListener(target: target)
        let schema = PostgresSchema(target: target, environment: environment)
        let identity = try people.performNow(within: environment.longCallLimit) { session in
            try schema.prepare(session, readOnly: readOnly)
        }
        lockFolder = environment.lockFolder ?? PostgresWorkerLock.folder(for: identity)
    }

    deinit { listener.stop() }

    static func settings(_ environment: PostgresEnvironment, readOnly: Bool) -> String {
        """
        SET search_path = zipvl; SET standard_conforming_strings = on; \
        SET synchronous_commit = on; SET statement_timeout = \(environment.statementTimeout); \
        SET lock_timeout = \(environment.lockTimeout); \
        SET idle_in_transaction_session_timeout = 30000; SET tcp_keepalives_idle = 15; \
        SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
        SET tcp_user_timeout = 15000; SET TimeZone = 'UTC'; SET client_min_messages = warning; \
        SET jit = off; SET default_transaction_read_only = \(readOnly ? "on" : "off")
        """
    }

    /// Server settings for the rest of a transaction over many rows.
    func patience() -> String {
        let milliseconds = environment.longCallLimit.milliseconds
        return """
            SET LOCAL statement_timeout = \(milliseconds); SET LOCAL lock_timeout = \(milliseconds); \
            SET LOCAL idle_in_transaction_session_timeout = \(milliseconds)
            """
    }

    /// A short call on the work connection.
    func short<T: Sendable>(
        _ body: @escaping @Sendable (PostgresSession) throws -> T
    ) async throws -> T {
        try await work.perform(within: environment.callLimit, body)
    }

    /// One transaction of what people do; `body` gets the server's time.
    func change<T: Sendable>(
        _ body: @escaping @Sendable (PostgresSession, _ now: Int64) throws -> T
    ) async throws -> T {
        try await people.transaction(within: environment.longCallLimit) {
            [environment, patience = patience()] session in
            try session.script(patience)
            return try body(session, try session.now(environment))
        }
    }

    /// One consistent snapshot.
    func read<T: Sendable>(
        _ body: @escaping @Sendable (PostgresSession) throws -> T
    ) async throws -> T {
        try await people.transaction(
            within: environment.longCallLimit, "ISOLATION LEVEL REPEATABLE READ, READ ONLY"
        ) { [patience = patience()] session in
            try session.script(patience)
            return try body(session)
        }
    }

    package var capabilities: BackendCapabilities {
        BackendCapabilities(isMultiHost: true, pushesWakeups: true, usesServerClock: true)
    }
}

extension PostgresSession {
    /// The server's time in Unix milliseconds.
    func now(_ environment: PostgresEnvironment) throws -> Int64 {
        guard let row = try run("SELECT \(environment.now()) AS now").first else {
            throw QueueError(.unavailable, "the server did not tell the time")
        }
        return try row.value("now")
    }

    /// Serializes what makes jobs whose keys must not meet: enqueue, retry, move. Until the end of the
    /// transaction.
    func lockKeys() throws {
        try run("SELECT pg_advisory_xact_lock(\(PostgresSchema.lockClass), 1)")
    }

    /// Wakes workers that wait, once the transaction is committed.
    func wakeWorkers() throws {
        try run("SELECT pg_notify('\(PostgresListener.channel)', '')")
    }
}
