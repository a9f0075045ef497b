import CTorch

/// A multi-dimensional array in libtorch.
///
/// A value over one owned handle: copies share it, the last one frees it. Not `Sendable`: the
/// compiler keeps tensors, and the model that holds them, inside one isolation domain.
package struct Tensor {
    /// Owns one reference of libtorch's reference-counted tensor.
    final class Handle {
        let raw: OpaquePointer
        /// Keeps foreign memory (a mapped file) alive that this tensor, or one it is a view of, reads.
        let owner: AnyObject?

        init(adopting raw: OpaquePointer, owner: AnyObject?) {
            self.raw = raw
            self.owner = owner
            _ = ct_live(1)
        }

        deinit {
            _ = ct_delete(raw)
            _ = ct_live(-1)
        }
    }

    let handle: Handle
    /// Sizes of the dimensions.
    package let shape: [Int]

    /// Takes over one reference.
    init(adopting raw: OpaquePointer, owner: AnyObject? = nil) throws(TorchError) {
        let handle = Handle(adopting: raw, owner: owner)
        var dimensions: Int64 = 0
        var sizes: UnsafeMutablePointer<Int64>?
        try check(ct_dim(raw, &dimensions), "sizes")
        try check(ct_sizes(raw, &sizes), "sizes")
        self.handle = handle
        self.shape = (0..<Int(dimensions)).map { Int(sizes?[$0] ?? 0) }
    }

    package var count: Int { shape.reduce(1, *) }

    /// Elements between neighbours along each axis.
    package func strides() throws(TorchError) -> [Int] {
        var strides: UnsafeMutablePointer<Int64>?
        try check(ct_strides(handle.raw, &strides), "strides", self)
        return shape.indices.map { Int(strides?[$0] ?? 0) }
    }

    package func dtype() throws(TorchError) -> DType {
        var code: Int32 = 0
        try check(ct_dtype(handle.raw, &code), "dtype", self)
        guard let dtype = DType(code: code) else {
            throw TorchError(
                .invalidArgument, operation: "dtype", shapes: [shape],
                message: "element type \(code) is not one this program uses")
        }
        return dtype
    }

    package func device() throws(TorchError) -> Device {
        var type: Int32 = 0
        var index: Int32 = 0
        try check(ct_device_type(handle.raw, &type), "device", self)
        try check(ct_device_index(handle.raw, &index), "device", self)
        return type == ct_device_code(1) ? .cuda(Int(index)) : .cpu
    }

    /// Handles made minus handles freed on this thread: unchanged by work that leaks nothing.
    package static var liveOnThisThread: Int { Int(ct_live(0)) }
}

/// Turns a status of the C ABI into an error that carries the shapes.
func check(_ status: Int32, _ operation: String, _ tensors: Tensor...) throws(TorchError) {
    guard status == 0 else {
        if status == CT_NOT_LOADED {
            throw TorchError(
                .unavailable, operation: operation, message: "libtorch has not been loaded")
        }
        throw TorchError(lastErrorOf: operation, shapes: tensors.map(\.shape))
    }
}

func lastLibraryMessage() -> String? {
    guard let text = ct_last_error() else { return nil }
    // The C++ stack trace that may follow the first line says nothing to a user.
    return String(cString: text).split(separator: "\n", omittingEmptySubsequences: true).first
        .map(String.init)
}
