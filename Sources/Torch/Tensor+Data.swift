import CTorch

extension Tensor {
    /// The same values with another element type; itself when nothing changes.
    package func converted(to dtype: DType) throws(TorchError) -> Tensor {
        if try self.dtype() == dtype { return self }
        return try dispatchOne(
            "aten::to", "dtype", .tensor(self), .dtype(dtype), .bool(false), .bool(false), .none)
    }

    /// The same bits as another element type of the same size, as a view.
    package func reinterpreted(as dtype: DType) throws(TorchError) -> Tensor {
        try dispatchOne("aten::view", "dtype", .tensor(self), .dtype(dtype))
    }

    /// The same values on another device; itself when nothing changes.
    package func moved(to device: Device) throws(TorchError) -> Tensor {
        if try self.device() == device { return self }
        let copy = try Tensor.empty(shape, try dtype(), on: device)
        try copy.overwrite(with: self)
        return copy
    }

    /// Copies `source` (broadcast, converted, moved) into this tensor's memory.
    package func overwrite(with source: Tensor) throws(TorchError) {
        try check(ct_copy(handle.raw, source.handle.raw, 0), "copy_", self, source)
    }

    /// Row-major memory without gaps; itself when it already is.
    package func contiguous() throws(TorchError) -> Tensor {
        var isContiguous = false
        try check(ct_is_contiguous(handle.raw, &isContiguous), "is_contiguous", self)
        if isContiguous { return self }
        let copy = try Tensor.empty(shape, try dtype(), on: try device())
        try copy.overwrite(with: self)
        return copy
    }

    /// All elements, row-major. `Element` must be the tensor's element type.
    package func values<Element: TensorElement>(
        as type: Element.Type = Element.self
    ) throws(TorchError) -> [Element] {
        let dtype = try dtype()
        guard dtype == Element.dtype else {
            throw TorchError(
                .invalidArgument, operation: "values", shapes: [shape],
                message: "the tensor holds \(dtype), not \(Element.dtype)")
        }
        let host = try moved(to: .cpu).contiguous()
        let count = count
        guard count > 0 else { return [] }
        let source = try host.dataPointer()
        // The pointer belongs to `host`, which must outlive the copy.
        return withExtendedLifetime(host) {
            Array(
                UnsafeBufferPointer(
                    start: source.assumingMemoryBound(to: Element.self), count: count))
        }
    }

    /// The elements as bytes, row-major, for writing to a file.
    func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) throws -> R {
        let host = try moved(to: .cpu).contiguous()
        let start = host.count > 0 ? UnsafeRawPointer(try host.dataPointer()) : nil
        let size = host.count * (try host.dtype().byteCount)
        return try withExtendedLifetime(host) {
            try body(UnsafeRawBufferPointer(start: start, count: size))
        }
    }

    /// Fills contiguous CPU memory in place.
    func withMutableBytes(_ body: (UnsafeMutableRawBufferPointer) -> Void) throws(TorchError) {
        guard count > 0 else { return }
        let size = count * (try dtype().byteCount)
        body(UnsafeMutableRawBufferPointer(start: try dataPointer(), count: size))
    }

    /// Of the first element; `nil` where there is none. Valid while the tensor lives.
    package func address() throws(TorchError) -> UnsafeMutableRawPointer? {
        var address: UnsafeMutableRawPointer?
        try check(ct_data(handle.raw, &address), "data_ptr", self)
        return address
    }

    private func dataPointer() throws(TorchError) -> UnsafeMutableRawPointer {
        guard let address = try address() else {
            throw TorchError(
                .other, operation: "data_ptr", shapes: [shape], message: "the tensor has no memory")
        }
        return address
    }
}
