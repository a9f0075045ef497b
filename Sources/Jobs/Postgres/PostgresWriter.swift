/// Puts rows in, all in one transaction.
actor PostgresWriter {
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
