extension PostgresQueue: TransferableQueue {
    package func readAll(
        chunk: Int, _ sink: @escaping @Sendable (TransferChunk) async throws -> Void
    ) async throws { throw QueueError(.incompatible, "\(title): not yet") }
    package func writeAll(
        _ source: @escaping @Sendable () async throws -> TransferChunk?
    ) async throws { throw QueueError(.incompatible, "\(title): not yet") }
    package func transferSummary() async throws -> TransferSummary {
        throw QueueError(.incompatible, "\(title): not yet")
    }
    package func prune(_ retention: Retention, isDry: Bool) async throws -> PruneReport {
        throw QueueError(.incompatible, "\(title): not yet")
    }
    package func backup(to path: String) async throws {
        throw QueueError(.incompatible, "\(title): not yet")
    }
}
