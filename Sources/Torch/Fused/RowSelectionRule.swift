/// Which rows a layer keeps, as `select.cu` decides it.
package struct RowSelectionRule: Sendable, Equatable {
    package enum Quota: Sendable, Equatable {
        /// At least this many.
        case least(Int)
        /// As many as the fewest rows of largest score that hold this share of the scores' sum.
        case largestHolding(Double)
        /// The same along the ranking.
        case rankedHolding(Double)

        var code: Int {
            switch self {
            case .least: 0
            case .largestHolding: 1
            case .rankedHolding: 2
            }
        }

        var share: Double {
            switch self {
            case .least: 0
            case .largestHolding(let share), .rankedHolding(let share): share
            }
        }

        var count: Int {
            if case .least(let count) = self { count } else { 0 }
        }
    }

    package let quota: Quota
    /// Rows are ranked by score per probe row that sees them; otherwise by score per row from theirs
    /// to the end.
    package let ranksBySeen: Bool
    /// The number of kept rows is rounded up to a multiple.
    package let bucket: Int
    /// Rows outside are kept whatever their score.
    package let droppable: Range<Int>

    package init(quota: Quota, ranksBySeen: Bool, bucket: Int, droppable: Range<Int>) {
        self.quota = quota
        self.ranksBySeen = ranksBySeen
        self.bucket = bucket
        self.droppable = droppable
    }
}
