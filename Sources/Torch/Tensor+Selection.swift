extension Tensor {
    /// Rows (or columns …) of `axis` named by int64 `indices`.
    package func gathered(_ axis: Int, _ indices: Tensor) throws(TorchError) -> Tensor {
        try dispatchOne("aten::index_select", "", .tensor(self), .int(axis), .tensor(indices))
    }

    /// A copy in which the rows `indices` of `axis` are those of `source`.
    package func replacing(
        _ axis: Int, _ indices: Tensor, with source: Tensor
    ) throws(TorchError) -> Tensor {
        try dispatchOne(
            "aten::index_copy", "", .tensor(self), .int(axis), .tensor(indices), .tensor(source))
    }

    package static func `where`(
        _ condition: Tensor, _ a: Tensor, else b: Tensor
    ) throws(TorchError) -> Tensor {
        try dispatchOne("aten::where", "self", .tensor(condition), .tensor(a), .tensor(b))
    }

    /// The elements along the last axis in order, and where each stood (int64); equal ones keep their
    /// order.
    package func sorted(
        descending: Bool
    ) throws(TorchError) -> (values: Tensor, indices: Tensor) {
        let results = try dispatch(
            "aten::sort", "stable",
            [.tensor(self), .optionalBool(true), .int(-1), .bool(descending)], results: 2)
        return (results[0], results[1])
    }
}
