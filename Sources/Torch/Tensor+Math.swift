import CTorch

extension Tensor {
    package static func + (a: Tensor, b: Tensor) throws(TorchError) -> Tensor {
        try subtracted(a, b, times: -1)
    }

    package static func - (a: Tensor, b: Tensor) throws(TorchError) -> Tensor {
        try subtracted(a, b, times: 1)
    }

    package static func * (a: Tensor, b: Tensor) throws(TorchError) -> Tensor {
        try dispatchOne("aten::mul", "Tensor", .tensor(a), .tensor(b))
    }

    package static func * (a: Tensor, b: Float) throws(TorchError) -> Tensor {
        try a * Tensor.scalar(b)
    }

    package static func / (a: Tensor, b: Tensor) throws(TorchError) -> Tensor {
        try dispatchOne("aten::div", "Tensor", .tensor(a), .tensor(b))
    }

    /// Elementwise a <= b, bool.
    package static func <= (a: Tensor, b: Tensor) throws(TorchError) -> Tensor {
        try dispatchOne("aten::le", "Tensor", .tensor(a), .tensor(b))
    }

    /// `add.Tensor` has a Scalar argument, which the C ABI cannot pass; `subtract` has a C function.
    private static func subtracted(
        _ a: Tensor, _ b: Tensor, times alpha: Double
    ) throws(TorchError) -> Tensor {
        var raw: OpaquePointer?
        try check(ct_subtract(a.handle.raw, b.handle.raw, alpha, &raw), "add", a, b)
        guard let raw else {
            throw TorchError(.other, operation: "add", message: "returned no tensor")
        }
        return try Tensor(adopting: raw)
    }

    package func matmul(_ other: Tensor) throws(TorchError) -> Tensor {
        try dispatchOne("aten::matmul", "", .tensor(self), .tensor(other))
    }

    /// x W^T + b, W [out, in].
    package func linear(_ weight: Tensor, _ bias: Tensor? = nil) throws(TorchError) -> Tensor {
        try dispatchOne(
            "aten::linear", "", .tensor(self), .tensor(weight), .optionalTensor(bias))
    }

    package func sigmoid() throws(TorchError) -> Tensor {
        try dispatchOne("aten::sigmoid", "", .tensor(self))
    }

    package func silu() throws(TorchError) -> Tensor {
        try dispatchOne("aten::silu", "", .tensor(self))
    }

    /// The exact (erf) GELU.
    package func gelu() throws(TorchError) -> Tensor {
        try dispatchOne("aten::gelu", "", .tensor(self), .string("none"))
    }

    package func cos() throws(TorchError) -> Tensor {
        try dispatchOne("aten::cos", "", .tensor(self))
    }
    package func sin() throws(TorchError) -> Tensor {
        try dispatchOne("aten::sin", "", .tensor(self))
    }
    package func neg() throws(TorchError) -> Tensor {
        try dispatchOne("aten::neg", "", .tensor(self))
    }
    package func rsqrt() throws(TorchError) -> Tensor {
        try dispatchOne("aten::rsqrt", "", .tensor(self))
    }

    package static func pow(_ base: Tensor, _ exponent: Tensor) throws(TorchError) -> Tensor {
        try dispatchOne("aten::pow", "Tensor_Tensor", .tensor(base), .tensor(exponent))
    }

    package func softmax(_ axis: Int) throws(TorchError) -> Tensor {
        try dispatchOne("aten::softmax", "int", .tensor(self), .int(axis), .none)
    }

    package func sum(_ axes: [Int], keepingAxes: Bool = false) throws(TorchError) -> Tensor {
        try dispatchOne(
            "aten::sum", "dim_IntList", .tensor(self), .optionalInts(axes), .bool(keepingAxes),
            .none)
    }

    package func mean(_ axes: [Int], keepingAxes: Bool = false) throws(TorchError) -> Tensor {
        try dispatchOne(
            "aten::mean", "dim", .tensor(self), .optionalInts(axes), .bool(keepingAxes), .none)
    }
}
