/// What turning numbers into small integers and back needs.
extension Tensor {
    /// To the nearest whole number, halves to the even one.
    package func rounded() throws(TorchError) -> Tensor {
        try dispatchOne("aten::round", "", .tensor(self))
    }

    package func magnitude() throws(TorchError) -> Tensor {
        try dispatchOne("aten::abs", "", .tensor(self))
    }

    package func squareRoot() throws(TorchError) -> Tensor {
        try dispatchOne("aten::sqrt", "", .tensor(self))
    }

    /// Largest element along `axes`, which must not be empty.
    package func maximum(_ axes: [Int], keepingAxes: Bool = false) throws(TorchError) -> Tensor {
        try dispatchOne("aten::amax", "", .tensor(self), .ints(axes), .bool(keepingAxes))
    }

    /// Smallest element along `axes`, which must not be empty.
    package func minimum(_ axes: [Int], keepingAxes: Bool = false) throws(TorchError) -> Tensor {
        try dispatchOne("aten::amin", "", .tensor(self), .ints(axes), .bool(keepingAxes))
    }

    /// Every element brought into `range`; the tensor must be float32.
    package func clamped(to range: ClosedRange<Float>) throws(TorchError) -> Tensor {
        let device = try device()
        return try dispatchOne(
            "aten::clamp", "Tensor", .tensor(self),
            .optionalTensor(Tensor([range.lowerBound], on: device)),
            .optionalTensor(Tensor([range.upperBound], on: device)))
    }

    /// Elementwise self >> bits; both hold the same whole-number type.
    package func shiftedRight(_ bits: Tensor) throws(TorchError) -> Tensor {
        try dispatchOne("aten::bitwise_right_shift", "Tensor", .tensor(self), .tensor(bits))
    }

    /// Elementwise self & mask; both hold the same whole-number type.
    package func bitwiseAnd(_ mask: Tensor) throws(TorchError) -> Tensor {
        try dispatchOne("aten::bitwise_and", "Tensor", .tensor(self), .tensor(mask))
    }
}
