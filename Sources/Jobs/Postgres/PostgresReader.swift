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
