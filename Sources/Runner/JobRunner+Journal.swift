import Jobs

extension JobRunner {
    /// Takes back the jobs of workers that died, and takes in the answers that they wrote to their
    /// journals. One worker of a machine at a time does: what is answered already must not be claimed
    /// by another one in between.
    ///
    /// - Parameter waits: for another worker that is at it; else its work is enough
    func takeBack(waits: Bool) async throws -> [Rescued] {
        guard let folder = options.journalFolder else { return try await rescue() }
        guard let turn = try await AnswerJournal.turn(in: folder, waits: waits ? .seconds(30) : nil)
        else { return waits ? try await rescue() : [] }
        defer { turn.end() }
        let rescued = try await rescue()
        // At the start, and whenever somebody died.
        guard waits || !rescued.isEmpty else { return rescued }
        let replay = try await AnswerJournal.replay(folder: folder) { [queue] in
            try await queue.readmit($0)
        }
        for notice in replay.notices { observer?.handle(.notice(notice)) }
        summary.readmitted += replay.stored
        if replay.stored > 0 {
            observer?.handle(.notice("\(replay.stored) answers were taken in from journals"))
        }
        return rescued
    }

    private func rescue() async throws -> [Rescued] {
        let rescued = try await queue.rescue()
        if !rescued.isEmpty { observer?.handle(.rescued(rescued)) }
        return rescued
    }

    /// The queue is back: answers of this run that it could not take before.
    func storeAgain() async {
        guard !unstored.isEmpty, let journal else { return }
        for entry in journal.pending where unstored.contains(entry.attempt) {
            do {
                // The attempt may still be this worker's; else whoever has the job decides.
                let finish = try await queue.complete(entry.attempt, entry.answer)
                let readmission =
                    finish == .leaseLost ? try await queue.readmit(entry) : .stored
                // Somebody else computes it, and may yet fail: the next run asks again.
                if readmission == .running || readmission == .unknownJob { continue }
                journal.acknowledge(entry.attempt)
                if readmission == .stored { summary.readmitted += 1 }
            } catch {
                observer?.handle(.notice("job \(entry.job): \(error)"))
                return
            }
            unstored.remove(entry.attempt)
            summary.journalled -= 1
        }
    }
}
