/// What the kernels of a decoding step leave open and measurement decides. The values here are the ones that the kernel
/// files fall back to; `zipvl-bench decode --tune` measures others.
package struct DecodeTuning: Sendable, Hashable {
    /// Copies of its own that each thread of a product has under way, and one more.
    package var stages = 3
    /// 16 bytes of a row for each copy.
    package var pieces = 2
    /// Bytes that go from memory to the shared cache together: 64, 128 or 256.
    package var fetch = 128
    /// Blocks of a product on one multiprocessor.
    package var blocks = 3
    /// Bytes of a product's input in shared memory, if that holds all of it: else 4096 columns at a time.
    package var inputBytes = 40 << 10
    /// Warps of an attention block, and the sets of 16 entries that each has under way.
    package var attentionWarps = 8
    package var attentionStages = 3
    /// Attention blocks on one multiprocessor.
    package var attentionBlocks = 1
    /// Of the next matrix, for which a kernel asks when it has loaded what it reads itself.
    package var prefetchBytes = 0
    /// Whether a kernel begins before the one in front of it has ended.
    package var overlap = Overlap.late

    package enum Overlap: String, Sendable, CaseIterable {
        case none
        /// Once each block in front of it has loaded what it reads.
        case late
        /// As soon as there is room.
        case early
    }

    package init() {}

    var products: KernelSource {
        KernelSource.matvec.defining([
            "MATVEC_STAGES": stages, "MATVEC_PIECES": pieces, "MATVEC_FETCH": fetch,
            "MATVEC_EARLY": overlap == .early ? 1 : 0,
        ])
    }

    var attention: KernelSource {
        KernelSource.decodeAttention.defining([
            "ATTEND_WARPS": attentionWarps, "ATTEND_STAGES": attentionStages,
            "ATTEND_EARLY": overlap == .early ? 1 : 0,
        ])
    }
}
