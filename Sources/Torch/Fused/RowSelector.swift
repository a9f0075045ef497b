/// Chooses rows layer by layer on a GPU: the host waits for their number alone.
///
/// Scores and rows stand in the device's memory, one batch for many layers, until somebody asks.
package final class RowSelector {
    /// Where the kernel leaves its numbers for the host, and the event that says that they are there.
    private struct Mailbox {
        let memory: PinnedBuffer
        let reached: CUDAEvent
    }

    private let launcher: any KernelLauncher
    private let mailbox: Mailbox?
    private let layers: Int
    private var histogram: Tensor?
    private var batch: RowBatch?

    private static let threads = 1024
    /// 2,048 bins of three kinds.
    private static let histogramSize = 3 * 2048

    /// - Parameter layers: choices whose scores and rows are read back at once.
    package convenience init(on device: CUDADevice, layers: Int) throws {
        self.init(
            launcher: device, layers: layers,
            mailbox: Mailbox(
                memory: try PinnedBuffer(bytes: RowBatch.resultSize * 8, on: device),
                reached: try CUDAEvent(on: device)))
    }

    /// Without a mailbox: the host reads the numbers from the tensor that holds them.
    package convenience init(on launcher: any KernelLauncher, layers: Int) {
        self.init(launcher: launcher, layers: layers, mailbox: nil)
    }

    private init(launcher: any KernelLauncher, layers: Int, mailbox: Mailbox?) {
        self.launcher = launcher
        self.layers = max(1, layers)
        self.mailbox = mailbox
    }

    /// - Parameters:
    ///   - sums: float32 [.., n]: parts that are added up.
    ///   - heads: query heads, over which scores are averaged.
    ///   - probeRows: int64 [m], ascending.
    ///   - total: of the scores, about; m where each probe row's attention sums to 1.
    package func select(
        sums: Tensor, heads: Int, probeRows: Tensor, rule: RowSelectionRule, total: Int? = nil
    ) throws -> SelectedRows {
        let n = sums.shape.last ?? 0
        let histogram =
            try self.histogram
            ?? Tensor.zeros([Self.histogramSize], .int64, on: sums.device())
        self.histogram = histogram
        let batch: RowBatch
        if let current = self.batch, current.hasRoom(n) {
            batch = current
        } else {
            batch = try RowBatch(layers: layers, columns: n, on: launcher, beside: sums)
        }
        self.batch = batch
        let slot = try batch.next(n)
        let probes = probeRows.count
        let ranks = try launcher.output([n], .int32, beside: sums)
        let free = rule.droppable.clamped(to: 0..<n)
        let scale = Self.massScale(total: total ?? probes)
        try launcher.launch(
            .select, "select_scores", grid: ((n + Self.threads - 1) / Self.threads, 1, 1),
            block: Self.threads, .tensor(sums), .int32(sums.count / max(n, 1)), .int32(n),
            .float(1 / Float(heads)), .tensor(probeRows), .int32(probes),
            .int32(rule.ranksBySeen ? 1 : 0), .int32(rule.quota.code == 2 ? 1 : 0),
            .int32(free.lowerBound), .int32(free.upperBound), .float(scale), .tensor(slot.scores),
            .tensor(ranks), .tensor(histogram))
        try launcher.launch(
            .select, "select_rows", grid: (1, 1, 1), block: Self.threads, .tensor(slot.scores),
            .tensor(ranks), .int32(n), .int32(rule.quota.code),
            .int64(Int(truncatingIfNeeded: rule.quota.share.bitPattern)),
            .int32(rule.quota.count), .int32(min(max(rule.bucket, 1), max(n, 1))),
            .int32(free.lowerBound), .int32(free.upperBound), .float(scale), .tensor(histogram),
            .tensor(slot.rows), .tensor(slot.result),
            mailbox.map { .address($0.memory.address) } ?? .null)
        let numbers: [Int]
        if let mailbox {
            try mailbox.reached.record()
            try mailbox.reached.synchronize()
            numbers = Array(
                UnsafeBufferPointer(
                    start: mailbox.memory.host.assumingMemoryBound(to: Int.self),
                    count: RowBatch.resultSize))
        } else {
            numbers = try slot.result.values()
        }
        guard (0...n).contains(numbers[0]) else {
            throw TorchError(
                .other, operation: "select_rows", shapes: [sums.shape],
                message: "\(numbers[0]) rows of \(n) were chosen")
        }
        return SelectedRows(
            rows: try slot.rows.narrowed(0, from: 0, count: numbers[0]),
            held: numbers[1],
            massKept: Double(bitPattern: UInt64(truncatingIfNeeded: numbers[2])),
            batch: batch, slot: slot.index, columns: n)
    }

    /// Units in which attention is added up, for a sum of about `total`: so fine that sums of them fill 60
    /// bits.
    package static func massScale(total: Int) -> Float {
        let bits = Int.bitWidth - max(total, 1).leadingZeroBitCount
        return Float(sign: .plus, exponent: 59 - bits, significand: 1)
    }
}
