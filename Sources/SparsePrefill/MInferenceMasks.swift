import Torch

/// Masks of blocks of rows, cut from one matrix: what a row sees on diagonals depends on how far a
/// column lies behind it, so that a block further down sees the same picture moved.
///
/// Masks are added to the logits: libtorch makes the same of booleans, but anew for each call, which
/// doubles a block's time.
struct MInferenceMasks {
    /// What hides a pair: finite, so that times 0 it is 0, and far below every logit.
    private static let hidden: Float = -1e30

    private let n: Int
    private let block: Int
    /// [block, n + block - 1]; row t, column k: distance t + n - 1 - k.
    private let chosen: Tensor
    private let past: Tensor

    /// - Parameter offsets: the distances that are seen; `nil` is all.
    init(
        block: Int, n: Int, offsets: [Int]? = nil, _ dtype: DType, on device: Device
    ) throws {
        func matrix(_ offsets: [Int]) throws -> Tensor {
            try Tensor(
                Self.matrix(block, n, offsets), shape: [block, n + block - 1], on: device
            ).converted(to: dtype)
        }
        self.n = n
        self.block = block
        past = try matrix(Array(0..<n + block - 1))
        chosen = try offsets.map(matrix) ?? past
    }

    private static func matrix(_ block: Int, _ n: Int, _ offsets: [Int]) -> [Float] {
        let width = n + block - 1
        // Place p of this list is distance width - 1 - p; row t is a window of it.
        var byDistance = [Float](repeating: Self.hidden, count: width + block - 1)
        for offset in offsets where offset < width { byDistance[width - 1 - offset] = 0 }
        var flat: [Float] = []
        flat.reserveCapacity(block * width)
        for t in 0..<block {
            flat += byDistance[block - 1 - t..<block - 1 - t + width]
        }
        return flat
    }

    /// Rows first..<first + count and the columns before their end, or some of them.
    func diagonals(from first: Int, _ count: Int, columns: [Int]? = nil) throws -> Tensor {
        try part(of: chosen, first, count, columns)
    }

    /// The same where every distance is seen.
    func causal(from first: Int, _ count: Int, columns: [Int]? = nil) throws -> Tensor {
        try part(of: past, first, count, columns)
    }

    private func part(
        of matrix: Tensor, _ first: Int, _ count: Int, _ columns: [Int]?
    ) throws -> Tensor {
        let start = n - 1 - first
        let rows = try matrix.narrowed(0, from: 0, count: count)
        guard let columns else { return try rows.narrowed(1, from: start, count: first + count) }
        // From whole rows: libtorch would copy all of a narrower view before it takes columns.
        return try rows.gathered(1, Tensor(columns.map { start + $0 }, on: matrix.device()))
    }
}
