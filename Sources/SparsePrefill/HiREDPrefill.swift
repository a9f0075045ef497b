import Torch

/// HiRED (arXiv 2408.10945; hasanar1f/HiRED): each frame keeps the share of its tokens to which the
/// vision tower's class token attends most; the others never enter the decoder.
///
/// A video frame is one image without sub-images, so the budget needs no division between them.
/// LongVA pools after the projector: attention is summed over each cell before the choice.
package struct HiREDPrefill: PrefillPolicy {
    /// Share of each frame's tokens.
    package let budget: Double

    package init(budget: Double = 0.2) { self.budget = budget }

    package var needsClassAttention: Bool { true }

    package func chooseVisualTokens(_ visual: VisualTokens) throws -> [Int]? {
        guard budget < 1 else { return nil }
        let count = max(1, TokenSelection.count(budget, of: visual.tokensPerFrame))
        let frames = Dictionary(grouping: visual.candidates) { $0 / visual.tokensPerFrame }
        return frames.sorted { $0.key < $1.key }.flatMap { _, tokens in
            let scores = tokens.map { visual.classAttention[$0] }
            return Ranking.top(count, of: scores).map { tokens[$0] }
        }
    }

    package func attend(
        _ projections: LayerProjections, in context: LayerContext
    ) throws -> LayerAttention {
        try FullPrefill().attend(projections, in: context)
    }
}
