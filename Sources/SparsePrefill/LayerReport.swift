/// What one layer computed and kept: the ground of every figure about savings.
package struct LayerReport: Sendable, Equatable {
    /// Tokens attended, r n; all that are still there in a dense layer.
    package var attended: Int
    /// Entries that stay in the KV cache after prefill.
    package var cached: Int
    /// Visible (query, key) pairs computed by attention, per head.
    package var pairs: Double
    /// Visible (query, key) pairs computed to score tokens, per head.
    package var probePairs: Double = 0
    /// Rows on which each linear layer ran.
    package var rows: ProjectionRows
    /// Share of the probed attention mass that the attended tokens hold; `nil` without probes.
    package var massKept: Double?
    /// r of the papers' figure where it is not attended / n: sqrt(queries keys) / n.
    package var paperRatio: Double?
    /// Share of the n^2 pairs as a paper counts it, for methods without an r.
    package var paperShare: Double?
    /// Probe rows, ascending. A policy gives rows of the layer's sequence, here and below; the
    /// decoder turns them into original positions.
    package var probes: [Int] = []
    /// Accumulated probe attention per token, mean over heads [n]; empty without probes.
    package var scores: [Float] = []
    /// Attended tokens, ascending; `nil` is all.
    package var kept: [Int]?
    /// The same for each query head, for methods that choose by head.
    package var keptPerHead: [[Int]]?
    /// Tokens of the layer's sequence, ascending original positions; `nil` is the whole prompt.
    package var sequence: [Int]?

    package init(attended: Int, cached: Int, pairs: Double, rows: ProjectionRows) {
        self.attended = attended
        self.cached = cached
        self.pairs = pairs
        self.rows = rows
    }

    /// A layer that computes everything for n tokens.
    package static func dense(_ n: Int) -> LayerReport {
        LayerReport(
            attended: n, cached: n, pairs: visiblePairs(n), rows: ProjectionRows(all: n))
    }

    /// The report with original positions in place of rows.
    ///
    /// - Parameter positions: original position of each row.
    package func located(at positions: [Int]) -> LayerReport {
        var report = self
        report.sequence = positions
        report.probes = probes.map { positions[$0] }
        // Where tokens are gone, all that are left were attended.
        report.kept = kept?.map { positions[$0] } ?? positions
        report.keptPerHead = keptPerHead?.map { $0.map { positions[$0] } }
        return report
    }

    /// Visible pairs of causal attention over n tokens.
    package static func visiblePairs(_ n: Int) -> Double { Double(n) * Double(n + 1) / 2 }
}

/// Rows on which the decoder layer's linears ran during prefill.
package struct ProjectionRows: Sendable, Equatable {
    package var query: Int
    package var key: Int
    package var value: Int
    package var output: Int
    package var feedForward: Int

    package init(query: Int, key: Int, value: Int, output: Int, feedForward: Int) {
        self.query = query
        self.key = key
        self.value = value
        self.output = output
        self.feedForward = feedForward
    }

    package init(all n: Int) {
        self.init(query: n, key: n, value: n, output: n, feedForward: n)
    }
}
