package import Torch

/// The pairs of one head by chosen columns and diagonals: row i sees column j <= i when j is one of the
/// columns or i - j is one of the offsets.
struct MInferencePairs: Equatable {
    /// Ascending.
    let columns: [Int]
    /// Ascending; 0 is the main diagonal.
    let offsets: [Int]

    /// Columns and diagonals that are always chosen.
    static let forcedColumns = 30
    static let forcedOffsets = 100

    init(columns: [Int], offsets: [Int]) {
        self.columns = columns
        self.offsets = offsets
    }

    /// The best by their sums over the last queries, n values each.
    init(vertical: Int, slash: Int, columnSums: [Float], offsetSums: [Float]) {
        columns = Self.chosen(vertical, of: columnSums, forced: Self.forcedColumns)
        offsets = Self.chosen(slash, of: offsetSums, forced: Self.forcedOffsets)
    }

    /// The first and the most recent keys of n.
    init(initial: Int, local: Int, n: Int) {
        columns = Array(0..<min(initial, n))
        offsets = Array(0..<min(local, n))
    }

    private static func chosen(_ count: Int, of sums: [Float], forced: Int) -> [Int] {
        let count = min(count, sums.count)
        let forced = min(forced, count)
        let others = Ranking.top(count - forced, of: Array(sums[forced...]))
        return Array(0..<forced) + others.map { $0 + forced }
    }

    /// Whether every pair of n tokens is chosen: the nearest pair that is in no chosen column and on no
    /// chosen diagonal would be the first such column, that far up the first such diagonal.
    func coversAll(_ n: Int) -> Bool {
        Self.firstMissing(columns) + Self.firstMissing(offsets) >= n
    }

    private static func firstMissing(_ ascending: [Int]) -> Int {
        ascending.enumerated().first { $0.offset != $0.element }?.offset ?? ascending.count
    }
}

/// Where the last queries of each head look.
package struct MInferenceEstimate {
    /// For each head the sums over the columns and over the diagonals of the last rows' attention.
    package private(set) var columnSums: [[Float]] = []
    package private(set) var offsetSums: [[Float]] = []

    /// Queries that estimate.
    static let rows = 64

    /// - Parameters:
    ///   - queries: [1, H, n, d]
    ///   - keys: [1, Hkv, n, d]
    package init(queries: Tensor, keys: Tensor) throws {
        let n = queries.shape[2]
        let m = min(Self.rows, n)
        let last = try queries.narrowed(2, from: n - m, count: m)
        try TokenSaliency.eachHead(last, keys, Array(n - m..<n)) { attention in
            columnSums.append(try attention.sum([0]).values())
            // One more column a row shifts each row by one against the row above: diagonals become
            // columns, offset o column n - o.
            let device = try attention.device()
            let left = try Tensor.zeros([m, m], .float32, on: device)
            let end = try Tensor.zeros([m], .float32, on: device)
            let padded = try Tensor.concatenated([left, attention], axis: 1).reshaped([m * (n + m)])
            let sums: [Float] = try Tensor.concatenated([padded, end], axis: 0)
                .reshaped([m, n + m + 1]).sum([0]).values()
            offsetSums.append((0..<n).map { sums[n - $0] })
        }
    }

    /// Visible pairs of one head's estimate.
    static func pairs(_ n: Int) -> Double {
        LayerReport.visiblePairs(n) - LayerReport.visiblePairs(n - min(rows, n))
    }
}
