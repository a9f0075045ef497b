import Crypto
import Foundation
import GRDB

/// All rows out of or into a queue. The transactions stay open between chunks, on connections of their
/// own.
extension SQLiteQueue: TransferableQueue {
    /// Tables in the order of their references, each with its key.
    static let tables: [(name: String, key: [String])] = [
        ("batches", ["batch_id"]), ("configs", ["config_id"]), ("videos", ["video_id"]),
        ("workers", ["worker_id"]), ("queues", ["queue"]), ("jobs", ["job_id"]),
        ("attempts", ["attempt_id"]), ("answers", ["job_id"]), ("events", ["event_id"]),
        ("evaluations", ["evaluation_id"]), ("evaluation_items", ["evaluation_id", "item"]),
        ("evaluation_methods", ["method_id"]), ("evaluation_answers", ["method_id", "item"]),
    ]

    private func transferConnection(readOnly: Bool) throws(QueueError) -> DatabaseQueue {
        var configuration = SQLiteConnections.configuration(
            readOnly: readOnly, environment: environment, journal: journal)
        configuration.allowsUnsafeTransactions = true
        return try mappingErrors(path) { [configuration] in
            try DatabaseQueue(path: path, configuration: configuration)
        }
    }

    package func readAll(
        chunk: Int, _ sink: @escaping @Sendable (TransferChunk) async throws -> Void
    ) async throws {
        let connection = try transferConnection(readOnly: true)
        try await connection.transfer(path) { [path] db in
            try db.beginTransaction(.deferred)
            let running = try Int.fetchOne(
                db, sql: "SELECT count(*) FROM jobs WHERE state = 'running'")
            guard running == 0 else {
                throw QueueError(
                    .busy, "\(path): \(running ?? 0) jobs are running; wait until they have ended")
            }
        }
        for table in Self.tables {
            var last: [DatabaseValue] = []
            while true {
                let rows = try await connection.transfer(path) { [last] db in
                    try Self.rows(db, table.name, table.key, after: last, limit: max(chunk, 1))
                }
                guard !rows.values.isEmpty else { break }
                last = rows.last
                try await sink(
                    TransferChunk(table: table.name, columns: rows.columns, rows: rows.values))
                if rows.values.count < chunk { break }
            }
        }
        try await connection.transfer(path) { try $0.rollback() }
    }

    private struct Rows: Sendable {
        var columns: [String]
        var values: [[ResultRow.Value]] = []
        /// Key of the last row.
        var last: [DatabaseValue] = []
    }

    private static func rows(
        _ db: Database, _ table: String, _ key: [String], after last: [DatabaseValue], limit: Int
    ) throws -> Rows {
        let columns = try db.columns(in: table).map(\.name)
        let list = key.joined(separator: ", ")
        let condition =
            last.isEmpty
            ? "" : "WHERE (\(list)) > (\(last.map { _ in "?" }.joined(separator: ", ")))"
        let cursor = try Row.fetchCursor(
            db,
            sql: """
                SELECT \(columns.joined(separator: ", ")) FROM \(table) \(condition)
                ORDER BY \(list) LIMIT \(limit)
                """, arguments: StatementArguments(last))
        var rows = Rows(columns: columns)
        while let row = try cursor.next() {
            rows.values.append(row.databaseValues.map { ResultRow.Value($0) })
            rows.last = key.map { row[$0] }
        }
        return rows
    }

    package func writeAll(
        _ source: @escaping @Sendable () async throws -> TransferChunk?
    ) async throws {
        guard connections.heartbeats != nil else {
            throw QueueError(.unavailable, "\(path): opened read-only")
        }
        let connection = try transferConnection(readOnly: false)
        do {
            try await connection.transfer(path) { [path] db in
                try db.beginTransaction(.immediate)
                try db.execute(sql: "PRAGMA defer_foreign_keys = ON")
                try Self.empty(db, path: path)
            }
            while let chunk = try await source() {
                try await connection.transfer(path) { [path] db in
                    try Self.insert(chunk, db, path: path)
                }
            }
            try await connection.transfer(path) { try $0.commit() }
        } catch {
            try? await connection.transfer(path) { db in
                if db.isInsideTransaction { try db.rollback() }
            }
            throw error
        }
        await shortenLog()
    }

    /// Refuses a queue in use and clears what an unused one may hold.
    private static func empty(_ db: Database, path: String) throws {
        for (what, query) in [
            ("jobs", "SELECT count(*) FROM jobs"),
            ("evaluations", "SELECT count(*) FROM evaluations"),
            ("workers at work", "SELECT count(*) FROM workers WHERE stopped_at_ms IS NULL"),
        ] {
            let count = try Int.fetchOne(db, sql: query) ?? 0
            guard count == 0 else {
                throw QueueError(.invalid, "\(path): has \(count) \(what), expected a new queue")
            }
        }
        for table in tables.reversed() { try db.execute(sql: "DELETE FROM \(table.name)") }
    }

    private static func insert(_ chunk: TransferChunk, _ db: Database, path: String) throws {
        guard tables.contains(where: { $0.name == chunk.table }) else {
            throw QueueError(.incompatible, "\(path): has no table \(chunk.table)")
        }
        let known = try Set(db.columns(in: chunk.table).map(\.name))
        guard let unknown = chunk.columns.first(where: { !known.contains($0) }) else {
            let marks = chunk.columns.map { _ in "?" }.joined(separator: ", ")
            let insert = try db.cachedStatement(
                sql: """
                    INSERT INTO \(chunk.table) (\(chunk.columns.joined(separator: ", ")))
                    VALUES (\(marks))
                    """)
            for row in chunk.rows {
                try insert.execute(arguments: StatementArguments(row.map(\.stored)))
            }
            return
        }
        throw QueueError(.incompatible, "\(path): \(chunk.table) has no column \(unknown)")
    }

    package func transferSummary() async throws -> TransferSummary {
        try await read { db in
            var counts: [String: Int] = [:]
            for table in Self.tables {
                counts[table.name] = try Int.fetchOne(
                    db, sql: "SELECT count(*) FROM \(table.name)")
            }
            var hash = SHA256()
            let rows = try Row.fetchCursor(
                db,
                sql: """
                    SELECT job_id, attempt_id, answer, prompt_tokens, output_tokens FROM answers
                    ORDER BY job_id
                    """)
            while let row = try rows.next() {
                let fields: [String] = [
                    "\(try row.value("job_id") as Int64)",
                    "\(try row.value("attempt_id") as Int64)",
                    ContentIdentity.sha256(try row.value("answer")),
                    "\(try row.value("prompt_tokens") as Int64)",
                    "\(try row.value("output_tokens") as Int64)",
                ]
                hash.update(data: Data((fields.joined(separator: "\t") + "\n").utf8))
            }
            let digest = hash.finalize().map { byte in
                String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
            }
            return TransferSummary(counts: counts, answersSHA256: digest.joined())
        }
    }
}

extension DatabaseQueue {
    /// A step of a transaction that stays open between the steps.
    fileprivate func transfer<T: Sendable>(
        _ path: String, _ body: @escaping @Sendable (Database) throws -> T
    ) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            asyncWriteWithoutTransaction { db in
                continuation.resume(
                    with: Result { try body(db) }.mapError { QueueError($0, path: path) })
            }
        }
    }
}

extension ResultRow.Value {
    fileprivate var stored: DatabaseValue {
        switch self {
        case .null: .null
        case .integer(let number): number.databaseValue
        case .real(let number): number.databaseValue
        case .text(let text): text.databaseValue
        }
    }

    init(_ value: DatabaseValue) {
        switch value.storage {
        case .null: self = .null
        case .int64(let number): self = .integer(number)
        case .double(let number): self = .real(number)
        case .string(let text): self = .text(text)
        // No column of the schema holds bytes.
        case .blob(let data): self = .text(String(decoding: data, as: UTF8.self))
        }
    }
}
