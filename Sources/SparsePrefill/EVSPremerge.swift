package import Torch

/// Efficient Video Sampling (arXiv 2510.14624; vllm-project/vllm, vllm/multimodal/evs.py): visual
/// tokens that repeat the same place of the previous frame are dropped before the decoder.
///
/// The first frame stays whole; of all others those stay that differ most, wherever they are. Tokens
/// keep their positions, so that time stands still where nothing moved.
package struct EVSPremerge: Sendable, Equatable {
    /// Share of the tokens that is dropped, in [0, 1).
    package let rate: Double

    package init(rate: Double) { self.rate = rate }

    /// - Parameter tokens: [V, D], V a multiple of `tokensPerFrame`.
    /// - Returns: ascending indices of the tokens that stay.
    package func kept(_ tokens: Tensor, tokensPerFrame: Int) throws -> [Int] {
        let (count, width) = (tokens.shape[0], tokens.shape[1])
        let frames = count / tokensPerFrame
        let wanted = max(tokensPerFrame, TokenSelection.count(1 - rate, of: count))
        guard frames > 1, wanted < count else { return Array(0..<count) }
        let grid = try tokens.converted(to: .float32).reshaped([frames, tokensPerFrame, width])
        let now = try grid.narrowed(0, from: 1, count: frames - 1)
        let before = try grid.narrowed(0, from: 0, count: frames - 1)
        let products = try (now * before).sum([2])
        let lengths = try ((now * now).sum([2]) * (before * before).sum([2]))
        // The smallest normal number keeps a token of zeros from dividing by zero.
        let floor = try Tensor.filled(.leastNormalMagnitude, [1], .float32, on: tokens.device())
        let cosines: [Float] = try (products * (lengths + floor).rsqrt()).values()
        let dissimilarity =
            [Float](repeating: .infinity, count: tokensPerFrame) + cosines.map { 1 - $0 }
        return Ranking.top(wanted, of: dissimilarity)
    }
}
