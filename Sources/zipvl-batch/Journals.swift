import Jobs
import Runner

extension GlobalOptions {
    /// Takes in what workers wrote down and could not store.
    ///
    /// - Returns: answers that were stored
    func replayJournals(into queue: any QueueStore) async throws -> Int {
        0
    }
}

extension PruneCommand {
    /// Empties the answers journals, which a verified backup makes superfluous.
    func rotate(_ queue: any QueueStore) async throws {
    }
}
