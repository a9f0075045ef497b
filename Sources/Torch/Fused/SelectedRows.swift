/// One layer's choice.
package struct SelectedRows {
    /// int64 [K], ascending, on the device.
    package let rows: Tensor
    /// p: rows that hold the wanted share; 0 without one.
    package let held: Int
    /// Share of the scores' sum that the kept rows hold.
    package let massKept: Double
    private let batch: RowBatch
    private let slot: Int
    private let columns: Int

    init(
        rows: Tensor, held: Int, massKept: Double, batch: RowBatch, slot: Int, columns: Int
    ) {
        self.rows = rows
        self.held = held
        self.massKept = massKept
        self.batch = batch
        self.slot = slot
        self.columns = columns
    }

    /// The scores [n] and the kept rows; waits for the device, and reads what all layers up to now have
    /// chosen.
    package func read() throws(TorchError) -> (scores: [Float], kept: [Int]) {
        try batch.read(slot, columns: columns, kept: rows.shape[0])
    }
}
