import Foundation
import SparsePrefill

/// The statistics of paired right-or-wrong answers.
package enum PairedStatistics {
    /// The 97.5 % point of the normal distribution.
    static let z = 1.959963984540054

    package struct Interval: Sendable, Codable, Equatable {
        package var low: Double
        package var high: Double

        package init(low: Double, high: Double) {
            self.low = low
            self.high = high
        }
    }

    /// 95 % score interval of a share (Wilson, JASA 22, 1927; without continuity correction):
    /// (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n). `nil` for no trials.
    package static func wilson(successes: Int, trials: Int) -> Interval? {
        guard trials > 0 else { return nil }
        let n = Double(trials)
        let p = Double(successes) / n
        let scale = 1 + z * z / n
        let centre = (p + z * z / (2 * n)) / scale
        let half = z / scale * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
        // Rounding must not leave a hair at the ends.
        let low = successes == 0 ? 0 : centre - half
        let high = successes == trials ? 1 : centre + half
        return Interval(low: low, high: high)
    }

    /// Exact two-sided p of McNemar's test (Psychometrika 12, 1947): twice the lower tail of
    /// Binomial(gained + lost, 1/2) at the smaller count, at most 1.
    ///
    /// - Parameters:
    ///   - gained: pairs that are right only with the method
    ///   - lost: pairs that are right only with the baseline
    package static func mcNemar(gained: Int, lost: Int) -> Double {
        let n = gained + lost
        guard n > 0 else { return 1 }
        // In logarithms: 2^-n is 0 in floating point from n = 1075 on.
        let logHalf = Double(n) * log(0.5)
        let tail = (0...min(gained, lost)).reduce(0.0) { sum, k in
            sum + exp(logBinomial(n, k) + logHalf)
        }
        return min(1, 2 * tail)
    }

    private static func logBinomial(_ n: Int, _ k: Int) -> Double {
        lgamma(Double(n + 1)) - lgamma(Double(k + 1)) - lgamma(Double(n - k + 1))
    }

    /// 95 % percentile interval (Efron) of the mean difference `(gained - lost) / pairs`, by drawing
    /// `pairs` items with replacement, again and again. `nil` for no pairs.
    ///
    /// A pair is -1, 0 or 1, so that only their counts matter: number r below `pairs` is a lost pair for
    /// r < lost, a gained one for the next `gained` numbers, and else no difference.
    package static func bootstrap(
        gained: Int, lost: Int, pairs: Int, resamples: Int = 10_000, seed: UInt64 = 0
    ) -> Interval? {
        guard pairs > 0, resamples > 0 else { return nil }
        guard gained + lost > 0 else { return Interval(low: 0, high: 0) }
        var generator = SplitMix64(seed: seed, stream: 0)
        var sums: [Int] = []
        sums.reserveCapacity(resamples)
        for _ in 0..<resamples {
            var sum = 0
            for _ in 0..<pairs {
                let drawn = generator.number(below: pairs)
                if drawn < lost { sum -= 1 } else if drawn < lost + gained { sum += 1 }
            }
            sums.append(sum)
        }
        let sorted = sums.sorted().map { Double($0) }
        let scale = 1 / Double(pairs)
        return Interval(
            low: quantile(0.025, of: sorted) * scale, high: quantile(0.975, of: sorted) * scale)
    }

    /// 95 % percentile interval (Efron) of the mean of `values`, by drawing as many of them with
    /// replacement, again and again. `nil` for no values.
    ///
    /// - Parameter resamples: fewer, but 1,000 at least, where all together would draw more than
    ///   20 million values
    package static func bootstrapMean(
        _ values: [Double], resamples: Int = 10_000, seed: UInt64 = 0
    ) -> Interval? {
        guard let first = values.first, resamples > 0 else { return nil }
        guard values.contains(where: { $0 != first }) else {
            return Interval(low: first, high: first)
        }
        let affordable = max(1000, 20_000_000 / values.count)
        var generator = SplitMix64(seed: seed, stream: 1)
        let count = values.count
        let means = values.withUnsafeBufferPointer { values in
            (0..<min(resamples, affordable)).map { _ in
                var sum = 0.0
                for _ in 0..<count { sum += values[generator.number(below: count)] }
                return sum / Double(count)
            }
        }.sorted()
        return Interval(low: quantile(0.025, of: means), high: quantile(0.975, of: means))
    }

    /// Linear between neighbours, as numpy's default.
    ///
    /// - Parameter sorted: in rising order, at least one
    static func quantile(_ q: Double, of sorted: [Double]) -> Double {
        let place = q * Double(sorted.count - 1)
        let below = Int(place)
        let above = min(below + 1, sorted.count - 1)
        let share = place - Double(below)
        return sorted[below] + share * (sorted[above] - sorted[below])
    }

    /// The middle value, or the mean of the two middle ones.
    package static func median(_ values: [Double]) -> Double? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1
            ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}
