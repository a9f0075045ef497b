import Torch

/// The hidden states between two layers. What the last feed-forward layer computed may still wait to be
/// added: the next norm does both in one pass over the memory.
struct ResidualStream {
    /// [1, R, D]
    private(set) var x: Tensor
    private var pending: Tensor?

    init(_ x: Tensor, pending: Tensor? = nil) {
        self.x = x
        self.pending = pending
    }

    /// The states and their norm.
    func normed(
        by norm: RMSNorm, as format: ActivationFormat
    ) throws -> (x: Tensor, normed: Activations) {
        guard let pending else { return (x, try norm(x, as: format)) }
        let (sum, normed) = try norm(adding: pending, to: x, as: format)
        return (sum, normed)
    }

    /// The states; leaves this value as it is.
    func sum() throws -> Tensor { try pending.map { try x + $0 } ?? x }

    func rows(from start: Int, count: Int) throws -> ResidualStream {
        ResidualStream(
            try x.narrowed(1, from: start, count: count),
            pending: try pending?.narrowed(1, from: start, count: count))
    }

    func gathered(_ rows: Tensor) throws -> ResidualStream {
        ResidualStream(
            try x.gatheredRows(1, rows), pending: try pending?.gatheredRows(1, rows))
    }
}
