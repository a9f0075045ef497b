import Crypto
import Foundation

/// All rows out of or into a queue. The transactions stay open between chunks, on connections of their
/// own.
extension PostgresQueue: TransferableQueue {
    /// Tables in the order of their references, each with its key.
    static let tables: [(name: String, key: String)] = [
        ("batches", "batch_id"), ("configs", "config_id"), ("videos", "video_id"),
        ("workers", "worker_id"), ("queues", "queue"), ("jobs", "job_id"),
        ("attempts", "attempt_id"), ("answers", "job_id"), ("events", "event_id"),
        ("evaluations", "evaluation_id"), ("evaluation_items", "evaluation_id, item"),
        ("evaluation_methods", "method_id"), ("evaluation_answers", "method_id, item"),
    ]

    package func readAll(
        chunk: Int, _ sink: @escaping @Sendable (TransferChunk) async throws -> Void
    ) async throws {
        let reader = PostgresReader(self, chunk: max(chunk, 1), refusesRunning: true)
        do {
            while let part = try await reader.next() { try await sink(part) }
        } catch {
            await reader.close()
            throw error
        }
        await reader.close()
    }

    package func writeAll(
        _ source: @escaping @Sendable () async throws -> TransferChunk?
    ) async throws {
        let writer = PostgresWriter(self)
        do {
            try await writer.begin()
            while let chunk = try await source() { try await writer.insert(chunk) }
            try await writer.commit()
        } catch {
            // Without its connection the transaction is rolled back.
            await writer.close()
            throw error
        }
        await writer.close()
    }

    package func transferSummary() async throws -> TransferSummary {
        try await read { try Self.summary($0) }
    }

    /// Within a transaction.
    static func summary(_ session: PostgresSession) throws -> TransferSummary {
        var counts: [String: Int] = [:]
        for table in tables {
            counts[table.name] = try session.run("SELECT count(*) AS n FROM \(table.name)").first?
                .value("n")
        }
        try session.run(
            """
            DECLARE sums NO SCROLL CURSOR FOR SELECT job_id || E'\\t' || attempt_id || E'\\t'
                || encode(sha256(convert_to(answer, 'UTF8')), 'hex') || E'\\t' || prompt_tokens
                || E'\\t' || output_tokens || E'\\n' AS line FROM answers ORDER BY job_id
            """)
        var hash = SHA256()
        while true {
            let rows = try session.run("FETCH 5000 FROM sums")
            if rows.isEmpty { break }
            for row in rows { hash.update(data: Data((try row.value("line") as String).utf8)) }
        }
        try session.run("CLOSE sums")
        let digest = hash.finalize().map { byte in
            String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }
        return TransferSummary(counts: counts, answersSHA256: digest.joined())
    }

    fileprivate func connection() -> PostgresConnection {
        PostgresConnection(
            target: target, role: "move",
            settings: Self.settings(environment, readOnly: isReadOnly))
    }
}

/// Reads one snapshot, chunk by chunk.
actor PostgresReader {
    private let queue: PostgresQueue
    private let chunk: Int
    private let refusesRunning: Bool
    private let connection: PostgresConnection
    /// Index of the table whose cursor is open.
    private var table = -1

    init(_ queue: PostgresQueue, chunk: Int, refusesRunning: Bool) {
        self.queue = queue
        self.chunk = chunk
        self.refusesRunning = refusesRunning
        connection = queue.connection()
    }

    /// `nil` after the last.
    func next() async throws -> TransferChunk? {
        if table < 0 { try await begin() }
        while table < PostgresQueue.tables.count {
            let (name, _) = PostgresQueue.tables[table]
            let rows = try await step { [chunk] session in
                let rows = try session.run("FETCH \(chunk) FROM part")
                return (columns: rows.first?.columns.names ?? [], rows: rows.map(\.values))
            }
            if !rows.rows.isEmpty {
                return TransferChunk(table: name, columns: rows.columns, rows: rows.rows)
            }
            try await step { _ = try $0.run("CLOSE part") }
            table += 1
            try await openCursor()
        }
        return nil
    }

    /// Of the same snapshot.
    func summary() async throws -> TransferSummary {
        try await step { try PostgresQueue.summary($0) }
    }

    func close() async { await connection.close() }

    private func begin() async throws {
        let queue = queue
        let refusesRunning = refusesRunning
        try await connection.perform(within: queue.environment.longCallLimit) { session in
            try session.script("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            try session.script(queue.patience())
            guard refusesRunning else { return }
            let running: Int =
                try session.run("SELECT count(*) AS n FROM jobs WHERE state = 'running'").first?
                .value("n") ?? 0
            guard running == 0 else {
                throw QueueError(
                    .busy,
                    "\(queue.title): \(running) jobs are running; wait until they have ended")
            }
        }
        table = 0
        try await openCursor()
    }

    private func openCursor() async throws {
        guard table < PostgresQueue.tables.count else { return }
        let (name, key) = PostgresQueue.tables[table]
        try await step { session in
            _ = try session.run(
                "DECLARE part NO SCROLL CURSOR FOR SELECT * FROM \(name) ORDER BY \(key)")
        }
    }

    private func step<T: Sendable>(
        _ body: @escaping @Sendable (PostgresSession) throws -> T
    ) async throws -> T {
        try await connection.step(of: queue, body)
    }
}

/// Puts rows in, all in one transaction.
private actor PostgresWriter {
    private let queue: PostgresQueue
    private let connection: PostgresConnection
    /// Columns of the tables seen so far with their types.
    private var types: [String: [String: String]] = [:]

    init(_ queue: PostgresQueue) {
        self.queue = queue
        connection = queue.connection()
    }

    /// Refuses a queue in use and clears what an unused one may hold.
    func begin() async throws {
        let queue = queue
        try await connection.perform(within: queue.environment.longCallLimit) { session in
            try session.script("BEGIN")
            try session.script(queue.patience())
            try session.lockKeys()
            for (what, query) in [
                ("jobs", "SELECT count(*) AS n FROM jobs"),
                ("evaluations", "SELECT count(*) AS n FROM evaluations"),
                (
                    "workers at work",
                    "SELECT count(*) AS n FROM workers WHERE stopped_at_ms IS NULL"
                ),
            ] {
                let count: Int = try session.run(query).first?.value("n") ?? 0
                guard count == 0 else {
                    throw QueueError(
                        .invalid, "\(queue.title): has \(count) \(what), expected a new queue")
                }
            }
            for table in PostgresQueue.tables.reversed() {
                try session.run("DELETE FROM \(table.name)")
            }
        }
    }

    func insert(_ chunk: TransferChunk) async throws {
        guard !chunk.rows.isEmpty else { return }
        let types = try await columns(of: chunk.table)
        var sources: [String] = []
        var names: [String] = []
        for (index, column) in chunk.columns.enumerated() {
            guard let type = types[column] else {
                throw QueueError(
                    .incompatible, "\(queue.title): \(chunk.table) has no column \(column)")
            }
            names.append("c\(index)")
            sources.append("c\(index)::\(type)")
        }
        let marks = names.indices.map { "$\($0 + 1)::text[]" }.joined(separator: ", ")
        let sql = """
            INSERT INTO \(chunk.table) (\(chunk.columns.joined(separator: ", ")))
            SELECT \(sources.joined(separator: ", "))
            FROM unnest(\(marks)) WITH ORDINALITY AS n (\(names.joined(separator: ", ")), place)
            ORDER BY place
            """
        let lists = chunk.columns.indices.map { column in
            TextArray(texts: chunk.rows.map { $0[column].postgresText })
        }
        try await connection.step(of: queue) { session in
            do {
                try session.run(sql, lists.map { $0 })
            } catch let error as QueueError {
                throw QueueError(error.kind, "table \(chunk.table): \(error.message)")
            }
        }
    }

    private func columns(of table: String) async throws -> [String: String] {
        if let known = types[table] { return known }
        guard PostgresQueue.tables.contains(where: { $0.name == table }) else {
            throw QueueError(.incompatible, "\(queue.title): has no table \(table)")
        }
        let found = try await connection.step(of: queue) { session in
            try session.run(
                """
                SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
                WHERE attrelid = to_regclass('zipvl.' || $1::text) AND attnum > 0
                  AND NOT attisdropped
                """, [table]
            ).reduce(into: [String: String]()) { types, row in
                types[try row.value("name")] = try row.value("type")
            }
        }
        types[table] = found
        return found
    }

    /// Sequences go on behind the largest ids.
    func commit() async throws {
        let transaction: String? = try await connection.step(of: queue) { session in
            for (table, key) in PostgresQueue.tables where key.hasSuffix("_id") {
                let sequence = "pg_get_serial_sequence('zipvl.\(table)', '\(key)')"
                try session.run(
                    """
                    SELECT setval(\(sequence), greatest(max(\(key)), 1), max(\(key)) IS NOT NULL)
                    FROM \(table) WHERE \(sequence) IS NOT NULL HAVING \(sequence) IS NOT NULL
                    """)
            }
            try session.wakeWorkers()
            return try session.run(
                "SELECT pg_current_xact_id_if_assigned()::text AS id"
            ).first?.optional("id")
        }
        let isStored = try await connection.perform(within: queue.environment.longCallLimit) {
            session in
            if session.isInTransaction {
                try session.script("COMMIT")
                return true
            }
            // The connection broke and was made anew.
            let status: String? = try session.run(
                "SELECT pg_xact_status($1::xid8) AS status", [transaction]
            ).first?.optional("status")
            return status == "committed"
        }
        guard isStored else {
            throw QueueError(
                .unavailable, "\(queue.title): the connection broke; nothing was stored")
        }
    }

    func close() async { await connection.close() }
}

extension PostgresConnection {
    /// A statement of the transaction that is open.
    fileprivate func step<T: Sendable>(
        of queue: PostgresQueue, _ body: @escaping @Sendable (PostgresSession) throws -> T
    ) async throws -> T {
        try await perform(within: queue.environment.longCallLimit) { session in
            guard session.isInTransaction else {
                throw QueueError(
                    .unavailable, "\(queue.title): the connection broke within a transaction")
            }
            return try body(session)
        }
    }
}

/// A column's values; `nil` is NULL.
private struct TextArray: PostgresValue {
    var texts: [String?]

    var postgresText: String {
        var result = "{"
        for (index, text) in texts.enumerated() {
            if index > 0 { result += "," }
            guard let text else {
                result += "NULL"
                continue
            }
            result += "\""
            for scalar in text.unicodeScalars {
                if scalar == "\"" || scalar == "\\" { result += "\\" }
                result.unicodeScalars.append(scalar)
            }
            result += "\""
        }
        return result + "}"
    }
}

extension ResultRow.Value {
    fileprivate var postgresText: String? {
        switch self {
        case .null: nil
        case .integer(let number): number.postgresText
        case .real(let number): number.postgresText
        case .text(let text): text
        }
    }
}
