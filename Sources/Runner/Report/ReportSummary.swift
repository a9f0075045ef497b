package import Jobs

/// The numbers at the head of a report.
package struct ReportSummary: Sendable, Equatable {
    package enum Verdict: String, Sendable {
        case empty = "no jobs"
        case failed
        case finished
        case finishedWithFailures = "finished, some jobs failed"
        case cancelled
        case unfinished
    }

    package var held = 0, queued = 0, running = 0, succeeded = 0, failed = 0, cancelled = 0

    /// Answers that were judged, and the right ones among them.
    package var judged = 0, correct = 0
    package var accuracyInterval: PairedStatistics.Interval?
    package var attnFLOPsDense = 0.0, attnFLOPsUsed = 0.0
    package var llmFLOPsDense = 0.0, llmFLOPsUsed = 0.0
    /// Sums over answers of what each cache held at most.
    package var kvBytesDense = 0.0, kvBytesUsed = 0.0
    package var peakHostMiB: Double?
    package var peakDeviceMiB: Double?
    /// Of all answers together.
    package var totalMS = 0.0
    package var answersWithWarnings = 0

    package init(statuses: [BatchStatus], answers: [ReportAnswer]) {
        for status in statuses {
            held += status.held
            queued += status.ready + status.scheduled + status.retrying
            running += status.running + status.orphaned
            succeeded += status.succeeded
            failed += status.failed
            cancelled += status.cancelled
        }
        for answer in answers {
            if let isRight = answer.correct {
                judged += 1
                if isRight { correct += 1 }
            }
            attnFLOPsDense += answer.attnFLOPsDense
            attnFLOPsUsed += answer.attnFLOPsUsed
            llmFLOPsDense += answer.llmFLOPsDense
            llmFLOPsUsed += answer.llmFLOPsUsed
            kvBytesDense += answer.kvBytesDense
            kvBytesUsed += answer.kvBytesUsed
            totalMS += answer.totalMS
            if !answer.warnings.isEmpty { answersWithWarnings += 1 }
        }
        peakHostMiB = answers.compactMap(\.peakHostMiB).max()
        peakDeviceMiB = answers.compactMap(\.peakDeviceMiB).max()
        accuracyInterval = PairedStatistics.wilson(successes: correct, trials: judged)
    }

    package var jobs: Int { held + queued + running + succeeded + failed + cancelled }
    package var accuracy: Double? { judged > 0 ? Double(correct) / Double(judged) : nil }
    package var attnSavedPct: Double? {
        ReportAnswer.saved(attnFLOPsUsed, of: attnFLOPsDense)
    }
    package var llmSavedPct: Double? { ReportAnswer.saved(llmFLOPsUsed, of: llmFLOPsDense) }
    package var kvSavedPct: Double? { ReportAnswer.saved(kvBytesUsed, of: kvBytesDense) }

    /// A batch that is through without one answer has failed, whatever became of its jobs one by one.
    package var verdict: Verdict {
        if jobs == 0 { return .empty }
        if held + queued + running > 0 { return .unfinished }
        if succeeded == 0 { return failed > 0 ? .failed : .cancelled }
        return failed > 0 ? .finishedWithFailures : .finished
    }
}
