extension Tensor {
    /// At most one size may be -1: it is computed from the others.
    package func reshaped(_ shape: [Int]) throws(TorchError) -> Tensor {
        try dispatchOne("aten::reshape", "", .tensor(self), .ints(shape))
    }

    package func permuted(_ axes: [Int]) throws(TorchError) -> Tensor {
        try dispatchOne("aten::permute", "", .tensor(self), .ints(axes))
    }

    package func transposed(_ a: Int, _ b: Int) throws(TorchError) -> Tensor {
        try dispatchOne("aten::transpose", "int", .tensor(self), .int(a), .int(b))
    }

    /// The part `[start, start + length)` along `axis`, as a view.
    package func narrowed(_ axis: Int, from start: Int, count: Int) throws(TorchError) -> Tensor {
        try dispatchOne(
            "aten::narrow", "", .tensor(self), .int(axis), .int(start), .int(count))
    }

    /// Sizes of 1 stretched to `shape` as a view; -1 keeps a size.
    package func expanded(_ shape: [Int]) throws(TorchError) -> Tensor {
        try dispatchOne("aten::expand", "", .tensor(self), .ints(shape), .bool(false))
    }

    package func unsqueezed(_ axis: Int) throws(TorchError) -> Tensor {
        try dispatchOne("aten::unsqueeze", "", .tensor(self), .int(axis))
    }

    package static func concatenated(
        _ tensors: [Tensor], axis: Int
    ) throws(TorchError) -> Tensor {
        try dispatchOne("aten::cat", "", .tensors(tensors), .int(axis))
    }
}
