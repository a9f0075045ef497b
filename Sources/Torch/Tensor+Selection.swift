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

    /// Sorted values and the int64 indices they came from. Stable: equal values keep their order.
    package func sorted(
        _ axis: Int, descending: Bool
    ) throws(TorchError) -> (values: Tensor, indices: Tensor) {
        let results = try dispatch(
            "aten::sort", "stable",
            [.tensor(self), .optionalBool(true), .int(axis), .bool(descending)], results: 2)
        return (results[0], results[1])
    }

    /// Index of the largest element of the flattened tensor.
    package func argmax() throws(TorchError) -> Int {
        let index = try dispatchOne(
            "aten::argmax", "", .tensor(self), .optionalInt(nil), .bool(false))
        return try index.values(as: Int.self)[0]
    }

    package static func `where`(
        _ condition: Tensor, _ a: Tensor, else b: Tensor
    ) throws(TorchError) -> Tensor {
        try dispatchOne("aten::where", "self", .tensor(condition), .tensor(a), .tensor(b))
    }
}
