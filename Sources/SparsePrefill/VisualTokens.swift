package import Torch

/// A video as the decoder would get it, for methods that choose before the decoder.
package struct VisualTokens {
    /// [V, D] after projector and pooling, frame by frame.
    package let tokens: Tensor
    /// Cells of the pooled grid; V is a multiple.
    package let tokensPerFrame: Int
    /// Attention of the class token to each cell, summed over heads and the cell's patches, of the
    /// tower's last used layer: V values; empty unless asked for.
    package let classAttention: [Float]
    /// Tokens that an earlier step left, ascending.
    package let candidates: [Int]

    package init(
        tokens: Tensor, tokensPerFrame: Int, classAttention: [Float] = [], candidates: [Int]? = nil
    ) {
        self.tokens = tokens
        self.tokensPerFrame = tokensPerFrame
        self.classAttention = classAttention
        self.candidates = candidates ?? Array(0..<tokens.shape[0])
    }

    package func limited(to candidates: [Int]) -> VisualTokens {
        VisualTokens(
            tokens: tokens, tokensPerFrame: tokensPerFrame, classAttention: classAttention,
            candidates: candidates)
    }
}
