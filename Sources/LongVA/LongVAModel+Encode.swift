package import Torch

/// One video's visual tokens: what every question about it and every method starts from.
package struct EncodedVideo {
    /// [V, D], frame by frame.
    package let tokens: Tensor
    package let frames: Int
    /// Attention of the class token to each pooled cell, summed over heads and patches: V values;
    /// empty unless it was asked for.
    package let classAttention: [Float]
    /// What encoding took; 0 for one that was kept from an earlier answer.
    package var milliseconds: Double

    package init(tokens: Tensor, frames: Int, classAttention: [Float], milliseconds: Double) {
        self.tokens = tokens
        self.frames = frames
        self.classAttention = classAttention
        self.milliseconds = milliseconds
    }

    /// Of the tokens.
    package var byteCount: Int {
        get throws { tokens.count * (try tokens.dtype().byteCount) }
    }
}

extension LongVAModel {
    /// Frames to visual tokens: tower, projector, pooling, a few frames at a time.
    ///
    /// - Throws: `ModelError` (`frames`) for frames of another size than the model's; `TorchError`.
    package func encode(
        _ frames: FrameBatch, classAttention: Bool = false,
        progress: (String, Double) throws -> Void = { _, _ in }
    ) throws -> EncodedVideo {
        try encode(frames, classAttention: classAttention, trace: Trace(nil), progress: progress)
    }

    func encode(
        _ frames: FrameBatch, classAttention: Bool, trace: Trace,
        progress: (String, Double) throws -> Void
    ) throws -> EncodedVideo {
        TorchLibrary.disableGradients()
        try check(frames)
        var clock = StageClock()
        try trace.add(frames: frames)
        var parts: [Tensor] = []
        var attention: [Float] = []
        for start in stride(from: 0, to: frames.count, by: chunks.visionBatch) {
            try progress("encode", Double(start) / Double(frames.count))
            let range = start..<min(start + chunks.visionBatch, frames.count)
            // Bytes, or normalised pixels.
            let input =
                try visionTower.takesBytes
                ? frameUpload(frames, range, to: device)
                : PixelNormalization.normalized(
                    frames, from: start, count: range.count, on: device
                ).converted(to: dtype)
            let features: Tensor  // [B, P, Dv]
            if classAttention {
                let both = try visionTower.withClassAttention(input)
                features = both.features
                attention += try pooling.sums(both.classAttention).values()
            } else {
                features = try visionTower(input)
            }
            let pooled = try pooling(projector(features))  // [B, t, D]
            parts.append(try pooled.reshaped([-1, pooled.shape[2]]))
            try trace.append(
                "pixel_values",
                try PixelNormalization.normalized(
                    frames, from: start, count: range.count, on: .cpu))
            try trace.append("vision_features", features)
        }
        let tokens = parts.count == 1 ? parts[0] : try Tensor.concatenated(parts, axis: 0)
        try trace.addFloats("visual_tokens", tokens)
        // Everything is only queued until now.
        if case .cuda(let index) = device { try CUDADevice.device(index).synchronize() }
        return EncodedVideo(
            tokens: tokens, frames: frames.count, classAttention: attention,
            milliseconds: clock.lap())
    }

    private func check(_ frames: FrameBatch) throws(ModelError) {
        guard frames.side == imageSide, frames.count > 0,
            frames.pixels.count == frames.count * imageSide * imageSide * 3
        else {
            throw ModelError(
                .frames,
                "\(frames.count) frames of side \(frames.side) in \(frames.pixels.count) bytes; "
                    + "this model takes RGB frames of side \(imageSide)")
        }
    }
}

/// Milliseconds since the last lap, on the monotonic clock.
struct StageClock {
    private var last = ContinuousClock.now

    mutating func lap() -> Double {
        let now = ContinuousClock.now
        defer { last = now }
        return (now - last) / .milliseconds(1)
    }
}
