extension Activations {
    /// The part `[start, start + length)` along `axis`, which must not be the last.
    package func narrowed(_ axis: Int, from start: Int, count: Int) throws(TorchError)
        -> Activations
    {
        Activations(
            values: try values.narrowed(axis, from: start, count: count),
            scale: try scale?.narrowed(axis, from: start, count: count))
    }

    /// The rows of [1, R, D] that int64 `rows` name.
    package func gatheredRows(_ rows: Tensor) throws -> Activations {
        Activations(
            values: try values.gatheredRows(1, rows), scale: try scale?.gathered(1, rows))
    }
}
