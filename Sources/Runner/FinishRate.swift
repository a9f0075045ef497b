import Foundation

/// How fast jobs end, from counts that are looked at now and then, and when the rest will be through.
package struct FinishRate: Sendable {
    /// Seconds that count: a night's rate changes.
    private let window: Double
    private var looks: [(seconds: Double, finished: Int)] = []

    /// - Parameter window: counts that are older are forgotten
    package init(window: Duration = .seconds(300)) {
        self.window = window / .seconds(1)
    }

    /// - Parameters:
    ///   - finished: jobs that have ended so far
    ///   - seconds: of a clock that only goes on
    package mutating func look(finished: Int, at seconds: Double) {
        // Fewer than before: some were put back into the queue, and what was counted says nothing.
        if let last = looks.last, finished < last.finished || seconds < last.seconds { looks = [] }
        looks.append((seconds, finished))
        while looks.count > 2, looks[1].seconds <= seconds - window { looks.removeFirst() }
    }

    /// Jobs a second, with the 95 % interval of a Poisson count (Byar's approximation of the exact one).
    package struct Estimate: Sendable, Equatable {
        /// Length of what was looked at.
        package var seconds: Double
        package var finished: Int
        package var perSecond: Double
        package var low: Double
        package var high: Double

        /// Seconds until `jobs` have ended, if all goes on as it did.
        package func time(for jobs: Int) -> (expected: Double, low: Double, high: Double) {
            let count = Double(jobs)
            return (count / perSecond, count / high, count / low)
        }
    }

    /// `nil` until a job has ended.
    package var estimate: Estimate? {
        guard let first = looks.first, let last = looks.last, last.seconds > first.seconds,
            last.finished > first.finished
        else { return nil }
        let seconds = last.seconds - first.seconds
        let count = Double(last.finished - first.finished)
        func bound(_ count: Double, _ z: Double) -> Double {
            let root = 1 - 1 / (9 * count) + z / (3 * count.squareRoot())
            return count * root * root * root
        }
        return Estimate(
            seconds: seconds, finished: last.finished - first.finished, perSecond: count / seconds,
            low: bound(count, -PairedStatistics.z) / seconds,
            high: bound(count + 1, PairedStatistics.z) / seconds)
    }
}
