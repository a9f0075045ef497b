/// Bytes a prompt needs beyond the loaded weights: on the CPU an allocation does not fail when memory
/// runs out, the machine does, so the answer must be known before the prompt is tried.
///
/// Counts the largest tensors that live at once; the margin for the rest is in `safety`.
package struct MemoryEstimate: Sendable, Equatable {
    package let bytes: Int

    private static let safety = 1.15

    /// - Parameters:
    ///   - frames: N; `visionBatch` of them are encoded at a time.
    ///   - promptTokens: n; `newTokens` may be generated.
    ///   - elementBytes: of the run's element type.
    package init(
        layout: CheckpointLayout, frames: Int, visionBatch: Int, promptTokens n: Int,
        newTokens: Int,
        elementBytes e: Int
    ) {
        let c = layout.configuration
        let v = layout.vision
        let (d, queryWidth) = (c.hiddenSize, c.heads * c.headWidth)
        let keyWidth = c.keyValueHeads * c.headWidth

        let batch = min(frames, visionBatch)
        let patches = v.grid * v.grid + 1
        let vision =
            batch * 3 * v.imageSize * v.imageSize * 8
            + batch * patches * (3 * v.feedForward + 8 * v.width + 2 * d) * e
        let visualTokens = n * d * e

        let hidden = 2 * n * d * e + 3 * n * d * 4  // x and its copy; the norm works in float32
        let heads = 4 * n * (queryWidth + 2 * keyWidth) * e  // projections and their rotation
        let expandedKeys = 2 * n * queryWidth * e
        let feedForward = 3 * min(n, 2048) * c.intermediateSize * e
        let cache = c.layerCount * (n + newTokens) * 2 * keyWidth * e
        let decoder = hidden + heads + expandedKeys + feedForward + cache

        bytes = Int(Double(visualTokens + max(vision, decoder)) * Self.safety)
    }

    /// - Throws: `ModelError` (`wouldNotFit`) with both figures when `available` is less.
    package func require(available: Int?, promptTokens: Int) throws(ModelError) {
        guard let available, bytes > available else { return }
        throw ModelError(
            .wouldNotFit,
            "a prompt of \(promptTokens) tokens needs about \(bytes >> 20) MiB, "
                + "but only \(available >> 20) MiB are available; use fewer frames")
    }
}
