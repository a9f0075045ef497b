import Foundation
import Schema

/// Brings a database to the schema of this program, or says why it cannot be used. Nothing of a
/// schema that is not a queue's is changed.
struct PostgresSchema {
    /// "ZVBJ", first key of this program's advisory locks.
    static let lockClass: Int32 = 0x5A56_424A

    let target: PostgresTarget
    let environment: PostgresEnvironment

    private var latest: Int { environment.migrations.last?.version ?? 0 }

    private enum Found {
        case missing, ready
        case older(Int)
    }

    /// - Returns: what tells this queue from others, for names of files
    func prepare(_ session: PostgresSession, readOnly: Bool) throws -> String {
        try refuseServer(session, readOnly: readOnly)
        switch try inspect(session) {
        case .ready: break
        case .missing where readOnly:
            throw QueueError(.unavailable, "\(target.title): no such queue")
        case .older(let version) where readOnly:
            throw QueueError(
                .incompatible,
                "\(target.title): schema version \(version), this program reads version \(latest); "
                    + "a command that writes to the queue migrates it")
        case .missing, .older: try migrate(session)
        }
        return try identity(session)
    }

    private func refuseServer(_ session: PostgresSession, readOnly: Bool) throws {
        let row = try session.run(
            """
            SELECT current_setting('server_version_num')::integer AS version,
                current_setting('server_encoding') AS encoding,
                current_setting('synchronous_commit') AS synchronous,
                pg_is_in_recovery() AS standby
            """
        ).first
        guard let row else { return }
        let version: Int = try row.value("version")
        guard version >= 140_000 else {
            throw QueueError(
                .incompatible,
                "\(target.title): PostgreSQL \(version / 10_000), expected 14 or newer")
        }
        let encoding: String = try row.value("encoding")
        guard encoding == "UTF8" else {
            throw QueueError(
                .incompatible,
                "\(target.title): the database's encoding is \(encoding), expected UTF8 "
                    + "(CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0)")
        }
        let synchronous: String = try row.value("synchronous")
        guard synchronous == "on" else {
            throw QueueError(
                .incompatible,
                "\(target.title): synchronous_commit is \(synchronous) although it was set to on")
        }
        if try row.value("standby") && !readOnly {
            throw QueueError(
                .unavailable, "\(target.title): is a standby that takes no changes")
        }
    }

    private func inspect(_ session: PostgresSession) throws -> Found {
        let row = try session.run(
            """
            SELECT to_regclass('zipvl.meta') IS NOT NULL AS meta,
                (SELECT count(*) FROM pg_class
                 WHERE relnamespace = to_regnamespace('zipvl')) AS objects
            """
        ).first
        guard let row, try row.value("meta") else {
            guard try (row?.value("objects") ?? 0) == 0 else {
                throw QueueError(
                    .incompatible,
                    "\(target.title): the schema zipvl holds tables that are not a queue's")
            }
            return .missing
        }
        let version: Int =
            try session.run("SELECT version FROM zipvl.meta").first?.value("version") ?? 0
        guard version <= latest else {
            throw QueueError(
                .incompatible,
                "\(target.title): schema version \(version), this program knows up to version "
                    + "\(latest); use a newer zipvl-batch")
        }
        return version == latest ? .ready : .older(version)
    }

    /// Programs that come at the same time wait for one another.
    private func migrate(_ session: PostgresSession) throws {
        try session.script("BEGIN")
        try session.script("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        try session.run("SELECT pg_advisory_xact_lock(\(Self.lockClass), 0)")
        var version = 0
        switch try inspect(session) {
        case .ready: return _ = try session.script("ROLLBACK")
        case .missing: break
        case .older(let found): version = found
        }
        for step in environment.migrations where step.version > version {
            try session.script(step.sql)
            try session.run("UPDATE zipvl.meta SET version = $1::integer", [step.version])
        }
        try session.script("COMMIT")
        try session.script("SET search_path = zipvl")
    }

    /// The server's system identifier and the database; where the server keeps the first to itself,
    /// the number that the queue was given when it was made.
    private func identity(_ session: PostgresSession) throws -> String {
        let server: String?
        do {
            server = try session.run(
                "SELECT system_identifier::text AS id FROM pg_control_system()"
            ).first?.value("id")
        } catch let failure as PostgresFailure where failure.state == "42501" {
            server = try session.run("SELECT queue_id::text AS id FROM zipvl.meta").first?
                .value("id")
        }
        let plain = target.database.unicodeScalars.map {
            $0.isASCII && ($0.properties.isAlphabetic || $0.properties.numericType != nil)
                ? String($0) : "_"
        }
        return "\(server ?? "queue")-\(plain.joined())"
    }
}
