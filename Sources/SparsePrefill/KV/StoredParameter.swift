import Torch

/// Scales and zero points are stored in 16 bits. Rounding them to nearest would leave the smallest or
/// the largest value of a group outside the grid, up to several steps for a channel far from zero;
/// zero points are therefore rounded down and steps up, and the codes computed from the stored ones.
enum StoredParameter {
    /// float16 has three more bits of precision than bfloat16, which serves where float16 ends.
    private static let largestHalf: Float = 60_000
    /// float16's smallest positive value: a stored step is never zero.
    static let smallest: Float = 0x1p-24

    static func dtype(for values: Tensor) throws -> DType {
        let axes = Array(values.shape.indices)
        let largest: [Float] = try values.magnitude().maximum(axes).values()
        return largest.allSatisfy { $0 < largestHalf } ? .float16 : .bfloat16
    }

    static func nearest(_ x: Tensor, _ dtype: DType) throws -> Tensor {
        try x.converted(to: dtype).converted(to: .float32)
    }

    /// The nearest stored value where it is not above x, else one that is below: float32 values that
    /// `dtype` holds exactly.
    static func roundedDown(_ x: Tensor, _ dtype: DType) throws -> Tensor {
        let near = try nearest(x, dtype)
        let gap = try x.magnitude() * spacing(dtype) + Tensor([smallest], on: x.device())
        return try Tensor.where(near <= x, near, else: nearest(x - gap, dtype))
    }

    static func roundedUp(_ x: Tensor, _ dtype: DType) throws -> Tensor {
        try roundedDown(x.neg(), dtype).neg()
    }

    /// Upper bound of the distance of two neighbours, relative to their magnitude.
    private static func spacing(_ dtype: DType) -> Float {
        dtype == .float16 ? 0x1p-10 : 0x1p-7
    }

    /// float32 of parameters as they are stored.
    ///
    /// - Parameter isBrain: int32 [1], written by a kernel beside the bits: above 0 where they are
    ///   bfloat16, though the tensor says float16. `nil`: they are what the tensor says.
    static func read(_ stored: Tensor, isBrain: Tensor?) throws -> Tensor {
        guard let isBrain else { return try stored.converted(to: .float32) }
        let isHalf = try isBrain <= Tensor([Int32(0)], on: isBrain.device())
        return try Tensor.where(
            isHalf, stored.converted(to: .float32),
            else: stored.reinterpreted(as: .bfloat16).converted(to: .float32))
    }
}
