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

    func attend(
        _ projections: LayerProjections, in context: LayerContext, quota: TokenQuota
    ) throws -> LayerAttention {
        let n = context.layout.count
        let allKeys = try projections.keys(nil)  // [1, Hkv, n, d]
        let selector = TokenSelector(quota: quota, probes: probes, norm: norm, bucket: bucket)
        let selection = try selector.select(keys: allKeys, projections, in: context)
        let (count, keptRows) = (selection.rows.count, selection.tensor)  // [T]
        let keepsAll = retention != .discard
        let allValues = keepsAll ? try projections.values(nil) : nil
        let keys = try context.profile.measure(.gather) { try allKeys.gatheredRows(2, keptRows) }
        let keptValues = try allValues.map { values in
            try context.profile.measure(.gather) { try values.gatheredRows(2, keptRows) }
        }

        let probeRows = selection.probeRows
        var report = LayerReport(
            attended: count, cached: keepsAll ? n : count, pairs: 0,
            rows: ProjectionRows(
                query: count + probeRows.count, key: n, value: keepsAll ? n : count,
                output: count, feedForward: ffn == .kept ? count : n))
        let output: Tensor
        let values: Tensor
        switch rows {
        case .zero:
            // Ascending order makes the plain causal mask exact on the compacted sequence.
            let queries: Tensor
            if let keptValues {
                (queries, values) = (try projections.queries(keptRows), keptValues)
            } else {
                (queries, values) = try projections.queriesAndValues(keptRows)
            }
            output = try context.profile.measure(.attention) {
                try queries.attention(keys: keys, values: values, isCausal: true)
            }
            report.pairs = LayerReport.visiblePairs(count)
        case .keys:
            values = try keptValues ?? projections.values(keptRows)
            let queries = try projections.queries(nil)
            let kept = try selection.rows.indices()
            (output, report.pairs) = try context.profile.measure(.attention) {
                try KeyedRows.attention(
                    queries: queries, keys: keys, values: values, keyRows: kept)
            }
            report.rows.query = n + probeRows.count
            report.rows.output = n
            // Queries times keys, as for every method whose two sides differ.
            report.paperRatio =
                (Double(count) * Double(n)).squareRoot() / Double(context.promptTokens)
        }
        report.probePairs = probeRows.reduce(0) { $0 + Double($1 + 1) }
        report.probes = probeRows

        var attention = LayerAttention(
            rows: rows == .zero ? keptRows : nil, output: output,
            keys: keepsAll ? allKeys : keys, values: allValues ?? values, report: report)
        attention.cachedRows = keepsAll ? nil : selection.rows
        attention.skipsFeedForward = ffn == .kept
        attention.deferred = selection.describe
        if !selection.isDeferred { try attention.complete() }
        return attention
    }
}
