import Torch

/// FastV (arXiv 2403.06764; pkunlp-icler/FastV): after layer K - 1 the visual tokens that the prompt's
/// last token attends least leave the sequence.
///
/// The last row's attention is computed on the side, so that no layer has to give up its fused kernel;
/// the tokens that stay keep their positions, and their KV alone is cached from layer K on.
package struct FastVPrefill: PrefillPolicy {
    /// K: layers before it see all tokens.
    package let filterLayer: Int
    /// R: share of the visual tokens that leave.
    package let dropRate: Double

    package init(filterLayer: Int = 2, dropRate: Double = 0.5) {
        self.filterLayer = filterLayer
        self.dropRate = dropRate
    }

    package func attend(
        _ projections: LayerProjections, in context: LayerContext
    ) throws -> LayerAttention {
        var attention = try FullPrefill().attend(projections, in: context)
        let visual = context.layout.visual
        guard context.layer == filterLayer - 1, dropRate > 0, !visual.isEmpty else {
            return attention
        }
        let last = context.layout.count - 1
        let device = try attention.keys.device()
        let scores = try TokenSaliency.scores(
            probeQueries: projections.queries(Tensor([last], on: device)), keys: attention.keys,
            probeRows: [last])
        let count = TokenSelection.count(1 - dropRate, of: visual.count)
        let best = Ranking.top(count, of: Array(scores[visual])).map { visual.lowerBound + $0 }
        // Where no text follows the video, the last token is a visual one, and stays.
        let staying = visual.contains(last) && best.last != last ? best + [last] : best
        attention.remaining =
            Array(0..<visual.lowerBound) + staying
            + Array(visual.upperBound..<context.layout.count)
        attention.report.probes = [last]
        attention.report.probePairs = Double(context.layout.count)
        attention.report.scores = scores
        attention.report.rows.query += 1
        return attention
    }
}
