/// Accumulated attention of the probe rows, and the order in which it ranks the tokens.
package struct TokenScores {
    /// a_j (ZipVL Eq. 5), n values.
    package let accumulated: [Float]
    /// Rows by falling normalised score (Eq. 7); ties go to the lower row.
    package let ranking: [Int]

    /// - Parameters:
    ///   - accumulated: n sums over the m probe rows.
    ///   - probeRows: ascending; column j is seen by those >= j.
    package init(_ accumulated: [Float], probeRows: [Int], norm: ScoreNormalization) {
        self.accumulated = accumulated
        let n = accumulated.count
        let divisors =
            switch norm {
            case .exact: Self.seenBy(probeRows, columns: n)
            case .zipcache: (0..<n).map { n - $0 }
            }
        ranking = Ranking.descending(
            accumulated.indices.map { accumulated[$0] / Float(divisors[$0]) })
    }

    var total: Double { accumulated.reduce(0) { $0 + Double($1) } }

    /// How many probe rows see each column; at least 1, so that it can be divided by.
    private static func seenBy(_ probeRows: [Int], columns n: Int) -> [Int] {
        var seenBy = [Int](repeating: 0, count: n)
        var probe = probeRows.count - 1
        var seeing = 0
        for column in (0..<n).reversed() {
            while probe >= 0, probeRows[probe] >= column {
                seeing += 1
                probe -= 1
            }
            seenBy[column] = max(seeing, 1)
        }
        return seenBy
    }
}
