import Jobs
import Runner

extension GlobalOptions {
    /// Takes in what workers of this machine wrote down and could not store. What the queue has is
    /// deleted from the journals; what it does not know stays there.
    ///
    /// - Returns: answers that were stored
    func replayJournals(into queue: any QueueStore) async throws -> Int {
        let folder = try location.answersFolder
        guard let turn = try await AnswerJournal.turn(in: folder, waits: .seconds(30)) else {
            throw QueueError(.busy, "\(folder): another process is at the answers journals")
        }
        defer { turn.end() }
        let replay = try await AnswerJournal.replay(folder: folder) {
            try await queue.readmit($0)
        }
        for notice in replay.notices { Terminal.complain("note: \(notice)") }
        return replay.stored
    }
}
