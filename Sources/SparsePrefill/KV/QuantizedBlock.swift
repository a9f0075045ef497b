import Torch

/// Values on grids of 2^bits points: x is stored as round((x - zero) / step), with one zero point and
/// one step, both 16 bit, for each slice of the tensor (asymmetric min-max).
struct QuantizedBlock {
    let codes: PackedCodes
    private let shape: [Int]
    /// 16 bit
    let zero: Tensor
    let step: Tensor
    /// See `StoredParameter.read`.
    let isBrain: Tensor?

    /// - Parameters:
    ///   - x: float32, not empty.
    ///   - axes: the axes over which a slice extends; the others have parameters of their own.
    init(_ x: Tensor, over axes: [Int], bits: Int) throws {
        let levels = Float(1 << bits - 1)
        let dtype = try StoredParameter.dtype(for: x)
        let low = try StoredParameter.roundedDown(x.minimum(axes, keepingAxes: true), dtype)
        let high = try x.maximum(axes, keepingAxes: true)
        let range = try (high - low) / Tensor([levels], on: x.device())
        let step = try StoredParameter.roundedUp(range, dtype)
            .clamped(to: StoredParameter.smallest...Float.greatestFiniteMagnitude)
        let codes = try ((x - low) / step).rounded().clamped(to: 0...levels)
        self.codes = try PackedCodes(codes, bits: bits)
        self.shape = x.shape
        zero = try low.converted(to: dtype)
        self.step = try step.converted(to: dtype)
        isBrain = nil
    }

    /// What a kernel has stored.
    init(codes: PackedCodes, shape: [Int], zero: Tensor, step: Tensor, isBrain: Tensor) {
        self.codes = codes
        self.shape = shape
        self.zero = zero
        self.step = step
        self.isBrain = isBrain
    }

    /// zero + code step, float32, in the shape it was given.
    func values() throws -> Tensor {
        try codes.values().reshaped(shape) * StoredParameter.read(step, isBrain: isBrain)
            + StoredParameter.read(zero, isBrain: isBrain)
    }

    /// Codes, zero points and steps.
    var byteCount: Int { codes.byteCount + 2 * (zero.count + step.count) }
}
