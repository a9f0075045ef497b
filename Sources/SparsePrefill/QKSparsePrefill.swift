import Torch

/// QK-sparse attention (arXiv 2306.01160; epfml/dynamic-sparse-flash-attention), with the criterion that
/// ZipVL's tables need: each query head keeps its own rows, queries and keys alike, by probe scores.
///
/// Rows that a head does not keep get zero output from it. The cache keeps everything: what one head
/// drops, another one may keep.
package struct QKSparsePrefill: PrefillPolicy {
    /// Share of the sequence that each head keeps.
    package let ratio: Double
    package let probes: ProbeRows
    package let norm: ScoreNormalization
    package let denseLayers: [Int]

    package init(
        ratio: Double, probes: ProbeRows, norm: ScoreNormalization, denseLayers: [Int] = []
    ) {
        self.ratio = ratio
        self.probes = probes
        self.norm = norm
        self.denseLayers = denseLayers
    }

    package func attend(
        _ projections: LayerProjections, in context: LayerContext
    ) throws -> LayerAttention {
        guard ratio < 1, !denseLayers.contains(context.layer) else {
            return try FullPrefill().attend(projections, in: context)
        }
        let n = context.layout.count
        let keys = try projections.keys(nil)  // [1, Hkv, n, d]
        let queries = try projections.queries(nil)  // [1, H, n, d]
        let probeRows = probes.rows(of: context.layout, layer: context.layer)
        let accumulated = try TokenSaliency.headScores(
            probeQueries: queries.gathered(2, Tensor(probeRows, on: keys.device())), keys: keys,
            probeRows: probeRows)
        let least = TokenSelection.count(ratio, of: n)
        let selections = accumulated.map { scores in
            TokenSelection(
                chosen: [], least: least,
                scores: TokenScores(scores, probeRows: probeRows, norm: norm),
                layout: context.layout)
        }
        // Only now: while tokens are scored, values would stand in memory unused.
        let values = try projections.values(nil)
        // All heads force the same rows and keep as many.
        let kept = selections.map(\.kept)
        let count = kept.first?.count ?? 0

        let output = try compactedAttention(queries, keys, values, kept: kept)
        var report = LayerReport(
            attended: count, cached: n, pairs: LayerReport.visiblePairs(count),
            rows: ProjectionRows(all: n))
        report.probePairs = probeRows.reduce(0) { $0 + Double($1 + 1) }
        report.massKept =
            selections.reduce(0) { $0 + $1.massKept } / Double(max(selections.count, 1))
        report.probes = probeRows
        report.scores = Self.mean(accumulated)
        report.keptPerHead = kept
        return LayerAttention(output: output, keys: keys, values: values, report: report)
    }

    /// Causal attention of each head over its own rows, zero elsewhere: [1, H, n, d]. One head after the
    /// other: copies of more heads' rows at once would outweigh what dense attention holds.
    private func compactedAttention(
        _ queries: Tensor, _ keys: Tensor, _ values: Tensor, kept: [[Int]]
    ) throws -> Tensor {
        let group = queries.shape[1] / keys.shape[1]
        let device = try queries.device()
        let output = try Tensor.zeros(queries.shape, try queries.dtype(), on: device)
        for (head, rows) in kept.enumerated() {
            let index = try Tensor(rows, on: device)
            func gathered(_ x: Tensor, _ head: Int) throws -> Tensor {
                try x.narrowed(1, from: head, count: 1).gathered(2, index)
            }
            // Ascending order makes the plain causal mask exact on the compacted sequences.
            let attended = try gathered(queries, head).attention(
                keys: gathered(keys, head / group), values: gathered(values, head / group),
                isCausal: true)
            let own = try output.narrowed(1, from: head, count: 1)
            try own.overwrite(with: own.replacing(2, index, with: attended))
        }
        return output
    }

    private static func mean(_ scores: [[Float]]) -> [Float] {
        guard var total = scores.first else { return [] }
        for head in scores.dropFirst() {
            for column in total.indices { total[column] += head[column] }
        }
        return total.map { $0 / Float(scores.count) }
    }
}
