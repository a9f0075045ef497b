import Torch

/// One layer whose attention runs on a selected set of tokens: what ZipVL, the fixed ratio and their
/// variants share. They differ in how many tokens they choose.
package struct SelectedAttention: Sendable, Equatable {
    package var probes: ProbeRows
    package var norm = ScoreNormalization.exact
    package var rows = RowRule.zero
    package var ffn = FeedForwardRule.all
    package var retention = KVRetention.discard
    /// Shorter sequences run dense.
    package var denseBelow = 0
    package var denseLayers: [Int] = []
    /// The number of attended tokens is rounded up to a multiple of this.
    package var bucket = 1

    package init(
        probes: ProbeRows, norm: ScoreNormalization = .exact, rows: RowRule = .zero,
        ffn: FeedForwardRule = .all, retention: KVRetention = .discard, denseBelow: Int = 0,
        denseLayers: [Int] = [], bucket: Int = 1
    ) {
        self.probes = probes
        self.norm = norm
        self.rows = rows
        self.ffn = ffn
        self.retention = retention
        self.denseBelow = denseBelow
        self.denseLayers = denseLayers
        self.bucket = bucket
    }

    func isDense(_ context: LayerContext) -> Bool {
        context.layout.count < denseBelow || denseLayers.contains(context.layer)
    }

    /// - Parameter choose: the method's rows and the least number to keep, from the scores.
    func attend(
        _ projections: LayerProjections, in context: LayerContext,
        choose: (TokenScores) -> (rows: [Int], least: Int)
    ) throws -> LayerAttention {
        let n = context.layout.count
        let allKeys = try projections.keys(nil)  // [1, Hkv, n, d]
        let device = try allKeys.device()
        let probeRows = probes.rows(of: context.layout, layer: context.layer)
        let accumulated = try context.profile.measure(.probe) {
            try TokenSaliency.scores(
                probeQueries: projections.queries(Tensor(probeRows, on: device)), keys: allKeys,
                probeRows: probeRows)
        }
        let selection = context.profile.measure(.select) {
            let scores = TokenScores(accumulated, probeRows: probeRows, norm: norm)
            let choice = choose(scores)
            return TokenSelection(
                chosen: choice.rows, least: choice.least, scores: scores, layout: context.layout,
                bucket: bucket)
        }
        let kept = selection.kept
        let keptRows = try Tensor(kept, on: device)  // [T]
        let keepsAll = retention != .discard
        let allValues = keepsAll ? try projections.values(nil) : nil
        let keys = try context.profile.measure(.gather) { try allKeys.gathered(2, keptRows) }
        let values =
            try allValues.map { values in
                try context.profile.measure(.gather) { try values.gathered(2, keptRows) }
            } ?? projections.values(keptRows)

        var report = LayerReport(
            attended: kept.count, cached: keepsAll ? n : kept.count, pairs: 0,
            rows: ProjectionRows(
                query: kept.count + probeRows.count, key: n, value: keepsAll ? n : kept.count,
                output: kept.count, feedForward: ffn == .kept ? kept.count : n))
        let output: Tensor
        switch rows {
        case .zero:
            // Ascending order makes the plain causal mask exact on the compacted sequence.
            let queries = try projections.queries(keptRows)
            output = try context.profile.measure(.attention) {
                try queries.attention(keys: keys, values: values, isCausal: true)
            }
            report.pairs = LayerReport.visiblePairs(kept.count)
        case .keys:
            let queries = try projections.queries(nil)
            (output, report.pairs) = try context.profile.measure(.attention) {
                try KeyedRows.attention(
                    queries: queries, keys: keys, values: values, keyRows: kept)
            }
            report.rows.query = n + probeRows.count
            report.rows.output = n
            // Queries times keys, as for every method whose two sides differ.
            report.paperRatio =
                (Double(kept.count) * Double(n)).squareRoot() / Double(context.promptTokens)
        }
        report.probePairs = probeRows.reduce(0) { $0 + Double($1 + 1) }
        report.massKept = selection.massKept
        report.probes = probeRows
        report.scores = accumulated
        report.kept = kept

        var attention = LayerAttention(
            rows: rows == .zero ? keptRows : nil, output: output,
            keys: keepsAll ? allKeys : keys, values: allValues ?? values,
            cachedRows: keepsAll ? nil : kept, report: report)
        attention.skipsFeedForward = ffn == .kept
        return attention
    }
}
