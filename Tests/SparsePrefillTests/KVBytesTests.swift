import TestSupport
import Testing
import Torch

@testable import SparsePrefill

/// What the quantised cache saves, at LongVA-7B's KV width and the papers' shares.
@Suite struct KVBytesTests {
    private static let tokens = 8192
    /// Four heads of 128 channels, keys and values, two bytes each.
    private static let dense = Double(tokens * 2 * 512 * 2)

    private func bytes(salient: [[Int]]) throws -> Double {
        try LoadedTorch.load()
        let tokens = try Tensor.range(Self.tokens).converted(to: .float32).reshaped([-1, 1])
        let channels = try Tensor.range(512).converted(to: .float32)
        let entries = try (tokens * channels).cos().reshaped([1, 4, Self.tokens, 128])
        var cache = CompressedKV(dtype: .bfloat16)
        try cache.append(keys: entries, values: entries, salient: salient)
        return Double(cache.byteCount)
    }

    private func draw(_ share: Double, _ stream: Int) -> [Int] {
        var generator = SplitMix64(seed: 2, stream: stream)
        return generator.sample(
            TokenSelection.count(share, of: Self.tokens), below: Self.tokens
        ).sorted()
    }

    @Test func theShareOfThePaperStoresASixthOfSixteenBits() throws {
        let stored = try bytes(salient: [draw(0.286, 0)])
        let ratio = Self.dense / stored
        print("stored bytes \(stored), \(ratio) times fewer than 16 bits")
        // 16 / (4 r + 2 (1 - r)) = 6.22 without grids and maps; the paper prints 6.18.
        #expect(ratio >= 6.1)
        #expect(ratio < 6.22)
        // Two layers at each end of 28 in 16 bits.
        let guarded = 28 * Self.dense / (4 * Self.dense + 24 * stored)
        #expect(abs(guarded - 3.54) < 0.01)
    }

    @Test func setsOfTheirOwnForEachHeadStoreMore() throws {
        let together = try bytes(salient: [draw(0.6, 0)])
        let apart = try bytes(salient: (0..<4).map { draw(0.6, $0) })
        // Three more value grids of four bytes for each token, three more maps of 1024 bytes and a
        // first index each, and what else is counted once for each channel is the same.
        #expect(apart - together == Double(Self.tokens * 3 * 4 + 3 * (Self.tokens / 8 + 4)))
    }

    @Test(
        arguments: [
            ([], 8), ([5], 8), (Array(100..<300), 8), ([0, 1000], 8),
            (Array(stride(from: 0, to: 1000, by: 2)), 4 + 125),
            ([7, 9, 11, 12, 14, 15, 16], 4 + 2),
        ] as [([Int], Int)])
    func indicesTakeTheSmallestOfThreeForms(_ indices: [Int], _ bytes: Int) {
        let stored = AscendingIndices(indices)
        #expect(stored.indices() == indices)
        #expect(stored.byteCount == bytes)
    }
}
