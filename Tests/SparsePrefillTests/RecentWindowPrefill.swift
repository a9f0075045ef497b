import SparsePrefill
import Torch

/// A method of the tests' own, written by the steps in the README: text and the most recent tokens are
/// attended, as in StreamingLLM (arXiv 2309.17453); everything else passes through.
struct RecentWindowPrefill: PrefillPolicy {
    let window: Int

    func attend(
        _ projections: LayerProjections, in context: LayerContext
    ) throws -> LayerAttention {
        let n = context.layout.count
        let kept = (0..<n).filter { context.layout.isForced($0) || $0 >= n - window }
        let rows = try Tensor(kept)
        let (keys, values) = (try projections.keys(rows), try projections.values(rows))
        let output = try projections.queries(rows)
            .attention(keys: keys, values: values, isCausal: true)
        let count = kept.count
        var report = LayerReport(
            attended: count, cached: count, pairs: LayerReport.visiblePairs(count),
            rows: ProjectionRows(
                query: count, key: count, value: count, output: count, feedForward: n))
        report.kept = kept
        return LayerAttention(
            rows: rows, output: output, keys: keys, values: values, cachedRows: kept,
            report: report)
    }
}
