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

    func connection() -> PostgresConnection {
        PostgresConnection(
            target: target, role: "move",
            settings: Self.settings(environment, readOnly: isReadOnly))
    }
}

extension PostgresConnection {
    /// A statement of the transaction that is open.
    func step<T: Sendable>(
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
