import Synchronization

/// Adds up where a sparse prefill spends its own time. On a GPU, where work is queued, the figures mean
/// something only for stages that wait for it.
package final class PrefillProfile: Sendable {
    package enum Stage: String, Sendable, CaseIterable {
        /// Queries of the probe rows and their attention.
        case probe
        /// Ranking and choice.
        case select
        /// Rows of keys and values that are brought together.
        case gather
        case attention
        /// Rows put back into the sequence.
        case scatter
    }

    private let durations = Mutex<[Stage: Duration]>([:])

    package init() {}

    package func milliseconds(_ stage: Stage) -> Double {
        durations.withLock { $0[stage, default: .zero] } / .milliseconds(1)
    }

    func add(_ duration: Duration, to stage: Stage) {
        durations.withLock { $0[stage, default: .zero] += duration }
    }
}

extension PrefillProfile? {
    /// Runs `body`; the time it takes counts for `stage` where there is a profile.
    package func measure<T>(
        _ stage: PrefillProfile.Stage, _ body: () throws -> T
    ) rethrows -> T {
        guard let self else { return try body() }
        let start = ContinuousClock.now
        defer { self.add(.now - start, to: stage) }
        return try body()
    }
}
