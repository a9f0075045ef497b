import CTorch

/// Page-locked host memory: copies from it run beside the computation, and kernels can write to it.
package final class PinnedBuffer {
    package let host: UnsafeMutableRawPointer
    /// The same memory as kernels address it.
    package let address: UInt64
    package let byteCount: Int
    private let device: CUDADevice

    package init(bytes: Int, on device: CUDADevice) throws(TorchError) {
        try device.makeCurrent()
        var host: UnsafeMutableRawPointer?
        var address: UInt64 = 0
        try checkCUDA(cc_host_allocate(bytes, &host, &address), "cuMemHostAlloc")
        guard let host else {
            throw TorchError(.outOfMemory, operation: "cuMemHostAlloc", message: "no memory came")
        }
        self.host = host
        self.address = address
        byteCount = bytes
        self.device = device
    }

    deinit { _ = cc_host_free(host) }

    /// Queues a copy of the first bytes into a contiguous tensor on the device. The buffer must not
    /// change before the copy is done.
    package func copy(to tensor: Tensor, bytes: Int, from offset: Int = 0) throws(TorchError) {
        var target: UnsafeMutableRawPointer?
        try check(ct_data(tensor.handle.raw, &target), "data_ptr", tensor)
        let stream = try device.currentStream()
        try device.makeCurrent()
        try checkCUDA(
            cc_copy_to_device(UInt64(UInt(bitPattern: target)), host + offset, bytes, stream),
            "cuMemcpyHtoDAsync")
    }

    /// Queues a copy of a contiguous tensor into the buffer.
    package func copy(from tensor: Tensor, bytes: Int) throws(TorchError) {
        var source: UnsafeMutableRawPointer?
        try check(ct_data(tensor.handle.raw, &source), "data_ptr", tensor)
        let stream = try device.currentStream()
        try device.makeCurrent()
        try checkCUDA(
            cc_copy_to_host(host, UInt64(UInt(bitPattern: source)), bytes, stream),
            "cuMemcpyDtoHAsync")
    }
}
