import Torch

/// ZipVL (arXiv 2410.08584, Algorithm 1): each layer attends only to the tokens that hold a share tau
/// of the attention that a few probe rows pay.
///
/// Per layer: K for all tokens; probe rows' queries score every token (`TokenSaliency`); p tokens
/// hold tau of the scores (Eq. 6); the p tokens best by normalised score (Eqs. 7, 8) plus all text
/// and the recent tokens are attended by each other. As published, unselected tokens get zero attention
/// output, that is, they pass through the residual, and the feed-forward layer runs on all; `RowRule`
/// and `FeedForwardRule` have the variants. With `KVRetention.discard` (v2) their keys and values are
/// dropped; positions stay the original ones.
package struct ZipVLPrefill: PrefillPolicy {
    package let threshold: TokenThreshold
    package let selected: SelectedAttention

    package init(threshold: TokenThreshold, selected: SelectedAttention) {
        self.threshold = threshold
        self.selected = selected
    }

    package func attend(
        _ projections: LayerProjections, in context: LayerContext
    ) throws -> LayerAttention {
        guard threshold.tau < 1, !selected.isDense(context) else {
            return try FullPrefill().attend(projections, in: context)
        }
        return try selected.attend(projections, in: context, quota: .holding(threshold))
    }
}
