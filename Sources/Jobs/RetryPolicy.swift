/// How long a failed job waits before its next attempt: exponential with jitter, so that jobs that
/// failed together do not come back together.
package struct RetryPolicy: Sendable {
    /// Wait after the first failed attempt.
    package var base: Duration = .seconds(30)
    package var ceiling: Duration = .seconds(30 * 60)
    /// The wait is multiplied by a random factor of this range.
    package var jitter: ClosedRange<Double> = 0.8...1.2

    package init() {}

    /// `min(ceiling, base * 2^(n-1)) * jitter` after the `attempt`-th counted attempt (from 1).
    package func delay(
        afterAttempt attempt: Int, using generator: inout some RandomNumberGenerator
    ) -> Duration {
        // 2^30 times any base is beyond any ceiling; the cap keeps the product finite.
        var delay = base
        for _ in 0..<min(max(attempt - 1, 0), 30) where delay < ceiling { delay = delay * 2 }
        return min(delay, ceiling) * Double.random(in: jitter, using: &generator)
    }

    /// The wait before the next attempt of a job, or `nil` when there is to be none: bad input stays
    /// bad, a cancelled job stays cancelled, and attempts run out.
    package func delay(
        after failure: Failure, attempt: Int, of maxAttempts: Int,
        using generator: inout some RandomNumberGenerator
    ) -> Duration? {
        switch failure.errorClass {
        case .input, .cancelled: return nil
        case .resource, .timeout, .crash, .internal:
            guard attempt < maxAttempts else { return nil }
            return delay(afterAttempt: attempt, using: &generator)
        }
    }
}
