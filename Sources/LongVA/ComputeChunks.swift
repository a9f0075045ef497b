package import Torch

/// How much is computed at a time where that changes memory and speed, but no result.
package struct ComputeChunks: Sendable, Equatable {
    /// Rows on which the feed-forward layers run together: its intermediates at 128 frames would
    /// otherwise be the largest tensors of the whole prefill.
    package var feedForwardRows: Int
    /// Frames that go through the vision tower together.
    package var visionBatch: Int

    package init(feedForwardRows: Int, visionBatch: Int) {
        self.feedForwardRows = feedForwardRows
        self.visionBatch = visionBatch
    }

    /// A GPU needs large products to be busy; caches and memory of a CPU are small.
    package static func standard(on device: Device) -> ComputeChunks {
        device == .cpu ? small : ComputeChunks(feedForwardRows: 16384, visionBatch: 64)
    }

    /// Where memory is short.
    package static let small = ComputeChunks(feedForwardRows: 2048, visionBatch: 8)

    /// Fewer beside the hidden states of a very long prompt: a gigabyte less for LongVA-7B, in the same time.
    func feedForwardRows(ofPrompt rows: Int) -> Int {
        rows > 1 << 16 ? min(feedForwardRows, 8192) : feedForwardRows
    }

    /// In words, for a warning.
    package var title: String {
        "\(feedForwardRows) rows and \(visionBatch) frames at a time"
    }
}
