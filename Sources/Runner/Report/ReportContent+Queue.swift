package import Foundation
package import Jobs

extension ReportContent {
    /// Reads a batch, or all of the queue. Workers may go on meanwhile: what they finish between two
    /// questions to the queue may be in one number and not yet in another.
    ///
    /// - Throws: `QueueError`; `invalid` for a batch that is not there
    package init(
        of queue: any QueueBackend, batch: String?, baseline: String?, version: String,
        madeAt: Date
    ) async throws {
        self.init(batch: batch, queue: queue.title, version: version, madeAt: madeAt)
        let all = try await queue.status(batch: nil)
        for (flag, name) in [("--batch", batch), ("--baseline", baseline)] {
            guard let name, !all.contains(where: { $0.batch == name }) else { continue }
            throw QueueError(
                .invalid,
                "\(flag) \(name): no such batch in \(queue.title); \(Self.names(all))")
        }
        statuses = all.filter { batch == nil || $0.batch == batch }
        var selection = JobSelection()
        selection.batch = batch
        videos = try await queue.videos(selection)
        answers = ReportAnswer.answers(
            try await queue.results(selection, limit: nil), videos: videos)
        attempts = try await queue.attempts(selection)
        selection.states = [.failed]
        failures = try await queue.list(selection, limit: .max)
        if let baseline {
            var selection = JobSelection()
            selection.batch = baseline
            let videos = try await queue.videos(selection)
            self.baseline = Baseline(
                batch: baseline,
                answers: ReportAnswer.answers(
                    try await queue.results(selection, limit: nil), videos: videos))
        }
    }

    private static func names(_ statuses: [BatchStatus]) -> String {
        let most = 20
        guard !statuses.isEmpty else { return "it has none" }
        return "it has " + statuses.prefix(most).map(\.batch).joined(separator: ", ")
            + (statuses.count > most ? ", …" : "")
    }

    /// Pictures of the videos that the table of answers shows, in its order.
    package mutating func addThumbnails(_ source: ThumbnailSource, limit: Int) async {
        let shown = answers.prefix(answerLimit).compactMap { videos[$0.jobID] }
        thumbnails = await source.thumbnails(of: shown, limit: limit)
        let count = Set(shown.map(\.contentID)).count
        if count > limit {
            notes.append(
                "Pictures of the first \(ReportFigures.count(limit)) of "
                    + "\(ReportFigures.count(count)) videos; --thumbnails N shows more.")
        }
    }
}
