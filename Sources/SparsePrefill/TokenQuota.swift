package import Torch

/// How many tokens a method attends.
package enum TokenQuota: Sendable, Equatable {
    /// Those that hold a share of the attention.
    case holding(TokenThreshold)
    /// At least this many, forced ones included.
    case count(Int)

    /// The method's rows, and the least number to keep.
    package func choice(_ scores: TokenScores, layer: Int) -> (rows: [Int], least: Int) {
        switch self {
        case .holding(let threshold): (threshold.chosen(scores, layer: layer), 0)
        case .count(let count): ([], count)
        }
    }

    /// The same for the kernel; `nil` for the control that chooses by chance.
    package var onDevice: RowSelectionRule.Quota? {
        switch self {
        case .count(let count): .least(count)
        case .holding(let threshold) where threshold.select == .random: nil
        case .holding(let threshold):
            switch threshold.rule {
            case .raw: .largestHolding(threshold.tau)
            case .corrected: .rankedHolding(threshold.tau)
            }
        }
    }
}
