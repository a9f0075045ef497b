/// How many rows of one head share their keys.
///
/// Many rows make large matrix products and few gathers; but every diagonal touches as many columns as
/// the block has rows, most of them masked.
struct MInferenceTiling {
    let block: Int
    /// First row of a block minus column, for every column that a diagonal touches in it, descending.
    private let touched: [Int]

    private static let blocks = [32, 64, 128, 256]
    /// Entries of the largest mask: more would outweigh what dense attention holds.
    private static let largestMask = 1 << 20

    init(_ block: Int, offsets: [Int], n: Int) {
        self.block = block
        // Row first + t on diagonal o sees column first - (o - t).
        var isTouched = [Bool](repeating: false, count: n + block - 1)
        var reached = 0
        for offset in offsets {
            // Index is o - t + block - 1, t in 0..<block.
            for index in max(offset, reached)..<offset + block { isTouched[index] = true }
            reached = offset + block
        }
        touched = isTouched.indices.reversed().filter { isTouched[$0] }.map { $0 - block + 1 }
    }

    /// Ascending columns that rows first..<end need.
    ///
    /// - Parameter otherColumns: 0 for chosen columns.
    func columns(first: Int, end: Int, otherColumns: [Float]) -> [Int] {
        var columns: [Int] = []
        var next = 0
        for distance in touched where distance <= first {
            let column = first - distance
            guard column < end else { break }
            while next < column {
                if otherColumns[next] == 0 { columns.append(next) }
                next += 1
            }
            columns.append(column)
            next = column + 1
        }
        while next < end {
            if otherColumns[next] == 0 { columns.append(next) }
            next += 1
        }
        return columns
    }

    /// Whether gathering `count` columns costs more than computing all.
    static func takesAll(_ count: Int, of all: Int) -> Bool { count * 5 >= all * 4 }

    /// The block with the least estimated time. The weights were measured on two CPU cores; they choose
    /// a speed, never a result.
    static func best(of pairs: MInferencePairs, n: Int) -> MInferenceTiling {
        let candidates = blocks.filter { $0 < n && $0 * n <= largestMask }.map {
            MInferenceTiling($0, offsets: pairs.offsets, n: n)
        }
        let choice = candidates.min {
            $0.cost(columns: pairs.columns, n: n) < $1.cost(columns: pairs.columns, n: n)
        }
        return choice ?? MInferenceTiling(blocks[0], offsets: pairs.offsets, n: n)
    }

    /// In units of one computed pair.
    private func cost(columns: [Int], n: Int) -> Double {
        let (callCost, gatherCost) = (20_000.0, 20.0)
        var total = 0.0
        var (diagonal, vertical) = (0, 0)
        for first in stride(from: 0, to: n, by: block) {
            let end = min(first + block, n)
            while vertical < columns.count, columns[vertical] < end { vertical += 1 }
            while diagonal < touched.count, touched[touched.count - 1 - diagonal] <= first {
                diagonal += 1
            }
            // Chance overlap of two sets of columns.
            let free = 1 - Double(vertical) / Double(end)
            let needed = Double(vertical) + Double(min(diagonal, end)) * free
            let all = Self.takesAll(Int(needed), of: end)
            total += callCost + Double(block) * (all ? Double(end) : needed)
            if !all { total += gatherCost * needed }
        }
        return total
    }
}
