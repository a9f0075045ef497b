/// Scores and kept rows of some layers, next to each other, so that one copy brings them all to the host.
final class RowBatch {
    private let columns: Int
    private let layers: Int
    private let scores: Tensor  // float32 [layers n]
    private let rows: Tensor  // int64 [layers n]
    private let results: Tensor  // int64 [layers 3]
    private var used = 0
    /// What has been read, of the first `used` layers at most.
    private var hostScores: [Float] = []
    private var hostRows: [Int] = []

    /// Numbers that the kernel gives back: kept rows, p, and the bits of the share they hold.
    static let resultSize = 3

    struct Slot {
        let index: Int
        /// float32 [n]
        let scores: Tensor
        /// int64 [n], of which the first are used.
        let rows: Tensor
        /// int64 [3]
        let result: Tensor
    }

    init(
        layers: Int, columns: Int, on launcher: any KernelLauncher, beside sums: Tensor
    ) throws(TorchError) {
        self.layers = layers
        self.columns = columns
        scores = try launcher.output([layers * columns], .float32, beside: sums)
        rows = try launcher.output([layers * columns], .int64, beside: sums)
        results = try launcher.output([layers * Self.resultSize], .int64, beside: sums)
    }

    func hasRoom(_ n: Int) -> Bool { used < layers && n <= columns }

    func next(_ n: Int) throws(TorchError) -> Slot {
        let index = used
        used += 1
        return Slot(
            index: index, scores: try scores.narrowed(0, from: index * columns, count: n),
            rows: try rows.narrowed(0, from: index * columns, count: n),
            result: try results.narrowed(
                0, from: index * Self.resultSize, count: Self.resultSize))
    }

    func read(
        _ slot: Int, columns n: Int, kept: Int
    ) throws(TorchError) -> (scores: [Float], kept: [Int]) {
        let start = slot * columns
        if hostScores.count <= start {
            let (from, count) = (hostScores.count, used * columns - hostScores.count)
            hostScores += try scores.narrowed(0, from: from, count: count).values()
            hostRows += try rows.narrowed(0, from: from, count: count).values()
        }
        return (Array(hostScores[start..<start + n]), Array(hostRows[start..<start + kept]))
    }
}
