package import Jobs

/// When a worker ends early, as GNU parallel's `--halt` says it: `soon,fail=10%`, `now,fail=3`,
/// `soon,success=1`, `soon,done=100`.
///
/// What is counted are this worker's jobs that failed for good, were answered, or either. A share is of
/// those that either failed for good or were answered, and counts once there are three of them.
package struct HaltPolicy: Sendable, Equatable {
    /// A worker answers one job at a time, so when a job's end reaches the limit none is being answered:
    /// both give back what was claimed ahead. Each worker counts for itself; of the workers of one
    /// `--gpus`, the first that reaches the limit ends all, which then give up their jobs for `now`.
    package enum When: String, Sendable, CaseIterable { case soon, now }
    package enum What: String, Sendable, CaseIterable { case fail, success, done }
    package enum Limit: Sendable, Equatable {
        case count(Int)
        /// 0 to 1, without 0.
        case share(Double)
    }

    package var when: When
    package var what: What
    package var limit: Limit

    /// Jobs that must have ended before a share says anything.
    static let leastForShare = 3

    package init(when: When, what: What, limit: Limit) {
        self.when = when
        self.what = what
        self.limit = limit
    }

    /// - Throws: `invalid` for a text that is no such policy
    package init(_ text: String) throws(QueueError) {
        func wrong() -> QueueError {
            QueueError(
                .invalid,
                "--halt \(text): expected soon or now, a comma, and fail, success or done with a "
                    + "number from 1 or a share from 1% to 100%, such as soon,fail=10%")
        }
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count == 2, let when = When(rawValue: String(parts[0])) else { throw wrong() }
        let sides = parts[1].split(separator: "=", omittingEmptySubsequences: false)
        guard sides.count == 2, let what = What(rawValue: String(sides[0])) else { throw wrong() }
        let isShare = sides[1].hasSuffix("%")
        let digits = isShare ? sides[1].dropLast() : sides[1]
        guard digits.allSatisfy(\.isASCII), digits.first?.isNumber == true,
            let number = Int(digits), number >= 1, !isShare || number <= 100
        else { throw wrong() }
        self.init(
            when: when, what: what,
            limit: isShare ? .share(Double(number) / 100) : .count(number))
    }

    /// - Parameters:
    ///   - failed: jobs that failed for good
    ///   - succeeded: jobs that were answered
    package func isReached(failed: Int, succeeded: Int) -> Bool {
        let done = failed + succeeded
        let counted =
            switch what {
            case .fail: failed
            case .success: succeeded
            case .done: done
            }
        switch limit {
        case .count(let least): return counted >= least
        case .share(let share):
            return done >= Self.leastForShare && Double(counted) >= share * Double(done)
        }
    }
}
