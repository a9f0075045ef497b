import CTorch

extension Tensor {
    /// self right, written over `output`; matrices.
    package func matmul(_ right: Tensor, into output: Tensor) throws(TorchError) {
        _ = try dispatchOne("aten::mm", "out", .tensor(self), .tensor(right), .tensor(output))
    }

    /// Adds left right to these rows, over their own memory; [N, out] + [N, in] [in, out], on a GPU.
    package func addProduct(_ left: Tensor, _ right: Tensor) throws(TorchError) {
        try check(
            ct_cuda_addmm(handle.raw, handle.raw, left.handle.raw, right.handle.raw), "addmm_out",
            self, left, right)
    }

    /// Product of two e4m3 matrices, each row of the left and each column of the right with its scale.
    ///
    /// - Parameters:
    ///   - self: [N, in] row-major; `right`: [in, out] column-major.
    ///   - rowScales: float32 [N, 1]; `columnScales`: float32 [1, out].
    ///   - bias: [out], added after scaling.
    ///   - dtype: bfloat16; of the result [N, out].
    package func scaledMatmul(
        _ right: Tensor, _ rowScales: Tensor, _ columnScales: Tensor, bias: Tensor? = nil,
        as dtype: DType
    ) throws(TorchError) -> Tensor {
        try dispatchOne(
            "aten::_scaled_mm", "", .tensor(self), .tensor(right), .tensor(rowScales),
            .tensor(columnScales), .optionalTensor(bias), .optionalTensor(nil),
            .optionalDType(dtype), .bool(true))
    }

    /// The same, written over `output`.
    package func scaledMatmul(
        _ right: Tensor, _ rowScales: Tensor, _ columnScales: Tensor, as dtype: DType,
        into output: Tensor
    ) throws(TorchError) {
        _ = try dispatchOne(
            "aten::_scaled_mm", "out", .tensor(self), .tensor(right), .tensor(rowScales),
            .tensor(columnScales), .optionalTensor(nil), .optionalTensor(nil),
            .optionalDType(dtype), .bool(true), .tensor(output))
    }
}
