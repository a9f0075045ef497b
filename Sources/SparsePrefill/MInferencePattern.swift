/// Which pairs of one head MInference computes.
package enum MInferencePattern: Sendable, Hashable {
    /// The columns and the diagonals to which the last queries attend most, this many of each.
    case verticalAndSlash(vertical: Int, slash: Int)
    /// For each block of 64 queries this many blocks of 64 keys, by the product of their means.
    case blockSparse(blocks: Int)
    /// The first and the most recent keys.
    case streaming(initial: Int, local: Int)

    /// What a head without an entry gets.
    package static let standard = MInferencePattern.verticalAndSlash(vertical: 1000, slash: 6096)

    /// Share of the n^2 pairs as the paper counts them: not causal, overlaps counted twice.
    package func paperShare(_ n: Int) -> Double {
        let keys =
            switch self {
            case .verticalAndSlash(let vertical, let slash): vertical + slash
            case .blockSparse(let blocks): blocks * MInferenceBlocks.side
            case .streaming(let initial, let local): initial + local
            }
        return min(1, Double(keys) / Double(max(n, 1)))
    }

    /// Whether every visible pair of n tokens is computed, whatever the scores are.
    func coversAll(_ n: Int) -> Bool {
        switch self {
        case .verticalAndSlash(let vertical, let slash): max(vertical, slash) >= n
        case .blockSparse(let blocks): blocks * MInferenceBlocks.side >= n
        case .streaming(let initial, let local): initial + local >= n
        }
    }

    /// The name in a published file.
    package var kind: Kind {
        switch self {
        case .verticalAndSlash: .verticalAndSlash
        case .blockSparse: .blockSparse
        case .streaming: .streaming
        }
    }

    package enum Kind: String, CaseIterable, Sendable {
        case verticalAndSlash = "vertical_and_slash"
        case blockSparse = "block_sparse"
        case streaming = "stream_llm"
    }

    /// The two sizes of a published entry; a block-sparse one uses the first only.
    var sizes: [Int] {
        switch self {
        case .verticalAndSlash(let vertical, let slash): [vertical, slash]
        case .blockSparse(let blocks): [blocks, 0]
        case .streaming(let initial, let local): [initial, local]
        }
    }
}
