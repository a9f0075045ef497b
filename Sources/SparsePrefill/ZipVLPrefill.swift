import Torch

/// ZipVL (arXiv 2410.08584, Algorithm 1): each layer attends only to the tokens that hold a share tau
/// of the attention that a few probe rows pay.
///
/// Per layer: K for all tokens; probe rows' queries score every token (`TokenSaliency`); p tokens
/// hold tau of the scores (Eq. 6); the p tokens best by normalised score (Eqs. 7, 8) plus all text
/// and the recent tokens are attended by each other. Unselected tokens get zero attention output,
/// that is, they pass through the residual, and the feed-forward layer runs on all. With
/// `KVRetention.discard` (v2) their keys and values are dropped; positions stay the original ones.
package struct ZipVLPrefill: PrefillPolicy {
    /// tau of Eq. 6, in (0, 1]; 1 keeps every token and needs no probes.
    package let attentionThreshold: Double
    package let probes: ProbeRows
    package let retention: KVRetention
    /// Prompts shorter than this run dense.
    package let denseBelow: Int
    /// The number of attended tokens is rounded up to a multiple of this.
    package let selectionBucket: Int

    package init(
        attentionThreshold: Double, probes: ProbeRows, retention: KVRetention = .discard,
        denseBelow: Int = 0, selectionBucket: Int = 1
    ) {
        self.attentionThreshold = attentionThreshold
        self.probes = probes
        self.retention = retention
        self.denseBelow = denseBelow
        self.selectionBucket = selectionBucket
    }

    package func attend(
        _ projections: LayerProjections, in context: LayerContext
    ) throws -> LayerAttention {
        let n = context.layout.count
        guard attentionThreshold < 1, n >= denseBelow else {
            return try FullPrefill().attend(projections, in: context)
        }
        let allKeys = try projections.keys(nil)  // [1, Hkv, n, d]
        let device = try allKeys.device()
        let probeRows = probes.rows(ofPromptWith: n, layer: context.layer)
        let scores = try TokenSaliency.scores(
            probeQueries: projections.queries(Tensor(probeRows, on: device)), keys: allKeys,
            probeRows: probeRows)
        let selection = TokenSelection(
            scores: scores, probeRows: probeRows, threshold: attentionThreshold,
            layout: context.layout, bucket: selectionBucket)

        let rows = try Tensor(selection.kept, on: device)  // [T]
        let keys = try allKeys.gathered(2, rows)
        let cached: (keys: Tensor, values: Tensor)
        let values: Tensor
        switch retention {
        case .discard:
            values = try projections.values(rows)
            cached = (keys, values)
        case .full:
            let allValues = try projections.values(nil)
            values = try allValues.gathered(2, rows)
            cached = (allKeys, allValues)
        }
        // Ascending order makes the plain causal mask exact on the compacted sequence.
        let output = try projections.queries(rows)
            .attention(keys: keys, values: values, isCausal: true)

        let attended = selection.kept.count
        var report = LayerReport(
            attended: attended, cached: cached.keys.shape[2],
            pairs: LayerReport.visiblePairs(attended),
            rows: ProjectionRows(
                query: attended + probeRows.count, key: n, value: cached.values.shape[2],
                output: attended, feedForward: n))
        report.probePairs = probeRows.reduce(0) { $0 + Double($1 + 1) }
        report.massKept = selection.massKept
        report.probes = probeRows
        report.scores = scores
        report.kept = selection.kept
        return LayerAttention(
            rows: rows, output: output, keys: cached.keys, values: cached.values, report: report)
    }
}

/// What a sparse prefill leaves of the unselected tokens' keys and values.
package enum KVRetention: String, Codable, Sendable, CaseIterable {
    /// Everything stays, in the run's element type.
    case full
    /// Unselected tokens are dropped layer by layer (ZipVL v2).
    case discard
}
