/// Where system, visual and text tokens lie in a prompt, or in what a layer still has of it.
package struct PromptLayout: Sendable, Equatable {
    /// Rows: n of a whole prompt, fewer after tokens left.
    package let count: Int
    /// Rows of the visual tokens, which are their original positions only in a whole prompt;
    /// everything before is the system prefix, everything after is text.
    package let visual: Range<Int>

    package init(count: Int, visual: Range<Int>) {
        self.count = count
        self.visual = visual
    }

    /// The last tokens of a prompt, which every method attends.
    package static let recentAlwaysKept = 64

    /// Tokens that no method may drop: text and the last ones.
    package func isForced(_ row: Int) -> Bool { !droppable.contains(row) }

    /// All others: visual tokens that are not among the last ones.
    package var droppable: Range<Int> {
        visual.clamped(to: 0..<max(0, count - Self.recentAlwaysKept))
    }

    /// The layout of some of the rows, which hold all text.
    package func keeping(_ rows: [Int]) -> PromptLayout {
        let visualRows = rows.count { visual.contains($0) }
        let start = visual.lowerBound
        return PromptLayout(count: rows.count, visual: start..<start + visualRows)
    }
}

/// Heads of one attention layer.
package struct AttentionGeometry: Sendable, Equatable {
    /// Query heads H.
    package let heads: Int
    /// Key/value heads; each serves `heads / keyValueHeads` query heads (GQA).
    package let keyValueHeads: Int
    /// Width d of one head.
    package let headWidth: Int

    package init(heads: Int, keyValueHeads: Int, headWidth: Int) {
        self.heads = heads
        self.keyValueHeads = keyValueHeads
        self.headWidth = headWidth
    }
}

/// Which layer of which prompt a policy is asked about.
package struct LayerContext {
    /// 0 for the first decoder layer.
    package let layer: Int
    package let layerCount: Int
    /// Of the tokens that are still there.
    package let layout: PromptLayout
    package let geometry: AttentionGeometry
    /// n of the whole prompt with all visual tokens.
    package let promptTokens: Int
    /// Where times are added up, if anywhere.
    package let profile: PrefillProfile?
    /// What the layers of the prefill share; `nil` for a layer by itself.
    package let workspace: PrefillWorkspace?

    package init(
        layer: Int, layerCount: Int, layout: PromptLayout, geometry: AttentionGeometry,
        promptTokens: Int? = nil, profile: PrefillProfile? = nil,
        workspace: PrefillWorkspace? = nil
    ) {
        self.layer = layer
        self.layerCount = layerCount
        self.layout = layout
        self.geometry = geometry
        self.promptTokens = promptTokens ?? layout.count
        self.profile = profile
        self.workspace = workspace
    }
}
