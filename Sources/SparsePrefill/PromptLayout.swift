/// Where system, visual and text tokens lie in a prompt.
package struct PromptLayout: Sendable, Equatable {
    /// Prompt length n in tokens.
    package let count: Int
    /// Original positions of the visual tokens; everything before is the system prefix, everything
    /// after is text.
    package let visual: Range<Int>

    package init(count: Int, visual: Range<Int>) {
        self.count = count
        self.visual = visual
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
package struct LayerContext: Sendable {
    /// 0 for the first decoder layer.
    package let layer: Int
    package let layerCount: Int
    package let layout: PromptLayout
    package let geometry: AttentionGeometry

    package init(layer: Int, layerCount: Int, layout: PromptLayout, geometry: AttentionGeometry) {
        self.layer = layer
        self.layerCount = layerCount
        self.layout = layout
        self.geometry = geometry
    }
}
