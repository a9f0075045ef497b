import CTorch

extension Tensor {
    /// Uninitialised contiguous memory.
    package static func empty(
        _ shape: [Int], _ dtype: DType, on device: Device = .cpu
    ) throws(TorchError) -> Tensor {
        let sizes = shape.map(Int64.init)
        let strides = contiguousStrides(shape)
        var raw: OpaquePointer?
        let status = ct_empty_strided(
            Int64(shape.count), sizes, strides, dtype.code, device.typeCode, device.index, &raw)
        guard status == 0, let raw else {
            if status == CT_NOT_LOADED { try check(status, "empty") }
            throw TorchError(lastErrorOf: "empty", shapes: [shape])
        }
        return try Tensor(adopting: raw)
    }

    package static func filled(
        _ value: Double, _ shape: [Int], _ dtype: DType, on device: Device = .cpu
    ) throws(TorchError) -> Tensor {
        let tensor = try empty(shape, dtype, on: device)
        try check(ct_fill(tensor.handle.raw, value), "fill", tensor)
        return tensor
    }

    package static func zeros(
        _ shape: [Int], _ dtype: DType, on device: Device = .cpu
    ) throws(TorchError) -> Tensor {
        try filled(0, shape, dtype, on: device)
    }

    /// A copy of `values`, row-major.
    package init<Element: TensorElement>(
        _ values: [Element], shape: [Int]? = nil, on device: Device = .cpu
    ) throws(TorchError) {
        let shape = shape ?? [values.count]
        guard shape.reduce(1, *) == values.count else {
            throw TorchError(
                .invalidArgument, operation: "init", shapes: [shape],
                message: "\(values.count) values do not fill this shape")
        }
        let host = try Tensor.empty(shape, Element.dtype)
        try host.withMutableBytes { destination in
            values.withUnsafeBytes { destination.copyMemory(from: $0) }
        }
        self = try host.moved(to: device)
    }

    /// 0, 1, … count - 1 as int64.
    package static func range(_ count: Int, on device: Device = .cpu) throws(TorchError) -> Tensor {
        try Tensor(Array(0..<count), on: device)
    }

    /// A zero-dimensional float32 tensor: takes the other operand's element type in arithmetic.
    package static func scalar(_ value: Float) throws(TorchError) -> Tensor {
        var raw: OpaquePointer?
        try check(ct_scalar_float32(value, &raw), "scalar")
        guard let raw else {
            throw TorchError(.other, operation: "scalar", message: "returned no tensor")
        }
        return try Tensor(adopting: raw)
    }

    /// A tensor that reads foreign memory, which `owner` keeps valid.
    init(
        borrowing bytes: UnsafeRawPointer, shape: [Int], _ dtype: DType, owner: AnyObject
    ) throws(TorchError) {
        var raw: OpaquePointer?
        try check(
            ct_from_blob(
                UnsafeMutableRawPointer(mutating: bytes), Int64(shape.count), shape.map(Int64.init),
                Tensor.contiguousStrides(shape), dtype.code, Device.cpu.typeCode, 0, &raw),
            "from_blob")
        guard let raw else {
            throw TorchError(.other, operation: "from_blob", message: "returned no tensor")
        }
        try self.init(adopting: raw, owner: owner)
    }

    static func contiguousStrides(_ shape: [Int]) -> [Int64] {
        var strides = [Int64](repeating: 1, count: shape.count)
        for axis in shape.indices.dropLast().reversed() {
            strides[axis] = strides[axis + 1] * Int64(max(shape[axis + 1], 1))
        }
        return strides
    }
}
