import Foundation
import SparsePrefill

/// One method of a batch beside a baseline batch: answers to the same questions about the same videos.
package struct ReportComparison: Sendable {
    package typealias Interval = PairedStatistics.Interval

    /// The mean of this method's value less the baseline's, over pairs that have both.
    package struct Difference: Sendable, Equatable {
        package var pairs: Int
        package var mean: Double
        package var baselineMean: Double
        /// 95 %, bootstrap over pairs.
        package var interval: Interval?
    }

    package struct Pair: Sendable {
        package var answer: ReportAnswer
        package var baseline: ReportAnswer
    }

    package var method: String
    package var pairs: [Pair]
    /// Answers without an answer in the baseline, and such with several that none of can be preferred.
    package var unpaired: Int
    package var ambiguous: Int

    /// Of the pairs that were judged on both sides.
    package var bothRight = 0, onlyThisRight = 0, onlyBaselineRight = 0, bothWrong = 0
    package var judged: Int { bothRight + onlyThisRight + onlyBaselineRight + bothWrong }

    /// Exact, two-sided; `nil` without judged pairs.
    package var pValue: Double? {
        judged > 0
            ? PairedStatistics.mcNemar(gained: onlyThisRight, lost: onlyBaselineRight) : nil
    }

    /// Of the accuracy, in points.
    package var accuracyPoints: Double? {
        judged > 0
            ? 100 * Double(onlyThisRight - onlyBaselineRight) / Double(judged) : nil
    }

    package var accuracyInterval: Interval? {
        PairedStatistics.bootstrap(
            gained: onlyThisRight, lost: onlyBaselineRight, pairs: judged
        ).map { Interval(low: 100 * $0.low, high: 100 * $0.high) }
    }

    /// Answers are paired when the baseline has one of the same question about the same content. Where it
    /// has several, the one of the same options counts; where none or several are, the pair is ambiguous.
    init(_ method: ReportMethod, baseline: [ReportAnswer.Key: [ReportAnswer]]) {
        self.method = method.label
        (pairs, unpaired, ambiguous) = ([], 0, 0)
        for answer in method.answers {
            let all = baseline[answer.key] ?? []
            let same = all.filter { $0.optionsJSON == answer.optionsJSON }
            if all.isEmpty {
                unpaired += 1
            } else if let partner = all.count == 1 ? all.first : same.count == 1 ? same.first : nil
            {
                pairs.append(Pair(answer: answer, baseline: partner))
            } else {
                ambiguous += 1
            }
        }
        for pair in pairs {
            switch (pair.answer.correct, pair.baseline.correct) {
            case (true?, true?): bothRight += 1
            case (true?, false?): onlyThisRight += 1
            case (false?, true?): onlyBaselineRight += 1
            case (false?, false?): bothWrong += 1
            default: break
            }
        }
    }

    /// One comparison a method of the batch.
    package static func comparisons(of content: ReportContent) -> [ReportComparison] {
        guard let baseline = content.baseline else { return [] }
        let byKey = Dictionary(grouping: baseline.answers, by: \.key)
        return content.methods.map { ReportComparison($0, baseline: byKey) }
    }

    /// - Returns: `nil` where no pair has both values
    package func difference(_ value: (ReportAnswer) -> Double?) -> Difference? {
        var (differences, sum) = ([Double](), 0.0)
        for pair in pairs {
            guard let mine = value(pair.answer), let other = value(pair.baseline) else { continue }
            differences.append(mine - other)
            sum += other
        }
        guard !differences.isEmpty else { return nil }
        let count = Double(differences.count)
        return Difference(
            pairs: differences.count, mean: differences.reduce(0, +) / count,
            baselineMean: sum / count,
            interval: PairedStatistics.bootstrapMean(differences))
    }
}
