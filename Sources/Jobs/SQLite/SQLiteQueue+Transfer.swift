import GRDB

extension SQLiteQueue: TransferableQueue {
    package func readAll(
        chunk: Int, _ sink: @escaping @Sendable (TransferChunk) async throws -> Void
    ) async throws {
        throw QueueError(.incompatible, "\(path): cannot be moved yet")
    }

    package func writeAll(
        _ source: @escaping @Sendable () async throws -> TransferChunk?
    ) async throws {
        throw QueueError(.incompatible, "\(path): cannot be moved to yet")
    }

    package func transferSummary() async throws -> TransferSummary {
        throw QueueError(.incompatible, "\(path): cannot be moved yet")
    }

    package func prune(_ retention: Retention, isDry: Bool) async throws -> PruneReport {
        throw QueueError(.incompatible, "\(path): cannot be pruned yet")
    }

    package func backup(to path: String) async throws {
        throw QueueError(.incompatible, "\(self.path): cannot be backed up yet")
    }
}
