import Torch

/// The "Fixed" rows of ZipVL's ablation (arXiv 2410.08584 v1): the same share of tokens in every layer,
/// ranked as ZipVL ranks them.
package struct FixedRatioPrefill: PrefillPolicy {
    /// Share of the sequence that is attended, text and recent tokens counted in.
    package let ratio: Double
    package let selected: SelectedAttention

    package init(ratio: Double, selected: SelectedAttention) {
        self.ratio = ratio
        self.selected = selected
    }

    package func attend(
        _ projections: LayerProjections, in context: LayerContext
    ) throws -> LayerAttention {
        guard ratio < 1, !selected.isDense(context) else {
            return try FullPrefill().attend(projections, in: context)
        }
        let count = TokenSelection.count(ratio, of: context.layout.count)
        return try selected.attend(projections, in: context, quota: .count(count))
    }
}
