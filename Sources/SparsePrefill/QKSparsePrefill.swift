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
        let values = try projections.values(nil)
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
        // All heads force the same rows and keep as many, so that one attention serves a whole group.
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

    /// Causal attention of each head over its own rows, zero elsewhere: [1, H, n, d]. One KV head after
    /// the other: copies of all heads' rows at once would outweigh what dense attention holds.
    private func compactedAttention(
        _ queries: Tensor, _ keys: Tensor, _ values: Tensor, kept: [[Int]]
    ) throws -> Tensor {
        let (heads, n, width) = (queries.shape[1], queries.shape[2], queries.shape[3])
        let group = heads / keys.shape[1]
        let count = kept.first?.count ?? 0
        let device = try queries.device()
        let output = try Tensor.empty(queries.shape, try queries.dtype(), on: device)
        for head in 0..<keys.shape[1] {
            let rows = kept[head * group..<(head + 1) * group]
            let keyRows = try Tensor(Array(rows.joined()), on: device)
            // Heads laid end to end turn a choice by head into one list of rows.
            let queryRows = try Tensor(
                rows.enumerated().flatMap { index, rows in rows.map { index * n + $0 } },
                on: device)
            func gathered(_ x: Tensor, _ rows: Tensor) throws -> Tensor {
                try x.reshaped([-1, width]).gathered(0, rows).reshaped([1, group, count, width])
            }
            // Ascending order makes the plain causal mask exact on the compacted sequences.
            let attended = try gathered(
                queries.narrowed(1, from: head * group, count: group), queryRows
            ).attention(
                keys: gathered(keys.narrowed(1, from: head, count: 1), keyRows),
                values: gathered(values.narrowed(1, from: head, count: 1), keyRows), isCausal: true)
            let zeros = try Tensor.zeros([group * n, width], try queries.dtype(), on: device)
            let scattered = try zeros.replacing(0, queryRows, with: attended.reshaped([-1, width]))
            try output.narrowed(1, from: head * group, count: group)
                .overwrite(with: scattered.reshaped([1, group, n, width]))
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
