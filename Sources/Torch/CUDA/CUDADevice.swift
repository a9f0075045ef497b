import CTorch
import Synchronization

/// One GPU as the driver sees it, in the context that libtorch uses.
package final class CUDADevice: Sendable {
    package let index: Int
    package let name: String
    /// Bytes.
    package let totalMemory: Int
    package let multiprocessors: Int
    /// The most that a block may have when its kernel asks for it.
    package let sharedBytesPerBlock: Int
    /// `sm_90a`: with the features that only this generation has.
    package let architecture: String
    /// Whether the program's kernels run on it.
    package let servesKernels: Bool
    let modules = Mutex<[KernelSource: KernelModule]>([:])
    /// `cc_context`, as a number, since pointers are not Sendable.
    private let context: UInt

    private static let opened = Mutex<[Int: CUDADevice]>([:])

    /// Devices that the driver offers this process.
    /// - Throws: `TorchError` (`unavailable`) where there is no driver.
    package static func count() throws(TorchError) -> Int {
        try loadDriver()
        var count: Int32 = 0
        try checkCUDA(cc_device_count(&count), "cuDeviceGetCount")
        return Int(count)
    }

    /// The driver's CUDA version, for example 13.0.
    package static func driverVersion() throws(TorchError) -> String {
        try loadDriver()
        var version: Int32 = 0
        try checkCUDA(cc_driver_version(&version), "cuDriverGetVersion")
        return "\(version / 1000).\(version % 1000 / 10)"
    }

    /// - Throws: `TorchError` (`unavailable`) where there is no driver or no such device.
    package static func device(_ index: Int) throws(TorchError) -> CUDADevice {
        if let device = opened.withLock({ $0[index] }) { return device }
        let count = try count()
        guard index < count else {
            throw TorchError(
                .unavailable, operation: "cuda:\(index)",
                message: "there are \(count) CUDA devices")
        }
        let device = try CUDADevice(index)
        return opened.withLock { opened in
            if let first = opened[index] { return first }
            opened[index] = device
            return device
        }
    }

    private init(_ index: Int) throws(TorchError) {
        let number = Int32(index)
        func attribute(_ code: Int32) throws(TorchError) -> Int {
            var value: Int32 = 0
            try checkCUDA(cc_device_attribute(number, code, &value), "cuDeviceGetAttribute")
            return Int(value)
        }
        var text = [CChar](repeating: 0, count: 256)
        try checkCUDA(cc_device_name(number, &text, Int32(text.count)), "cuDeviceGetName")
        var bytes = 0
        try checkCUDA(cc_device_memory(number, &bytes), "cuDeviceTotalMem")
        var context: OpaquePointer?
        try checkCUDA(cc_primary_context(number, &context), "cuDevicePrimaryCtxRetain")
        self.index = index
        self.context = UInt(bitPattern: context)
        name = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        totalMemory = bytes
        // CUdevice_attribute: multiprocessors 16, compute capability 75 and 76, opt-in shared memory 97.
        multiprocessors = try attribute(16)
        let (major, minor) = (try attribute(75), try attribute(76))
        architecture = "sm_\(major)\(minor)" + (major >= 9 ? "a" : "")
        sharedBytesPerBlock = try attribute(97)
        servesKernels = Self.servesKernels(
            generation: major, sharedBytesPerBlock: sharedBytesPerBlock)
    }

    /// Kernels wait for each other inside a graph and convert to e4m3, which compute capability 9 brought;
    /// the largest block needs 113 KiB of shared memory, which small devices of later generations lack.
    static func servesKernels(generation: Int, sharedBytesPerBlock: Int) -> Bool {
        generation >= 9 && sharedBytesPerBlock >= 128 << 10
    }

    /// The driver works on the current context of a thread; libtorch may have left another one.
    func makeCurrent() throws(TorchError) {
        try checkCUDA(cc_make_current(OpaquePointer(bitPattern: context)), "cuCtxSetCurrent")
    }

    /// Bytes that no process holds; what libtorch keeps for itself counts as held.
    package func freeMemory() throws(TorchError) -> Int {
        try makeCurrent()
        var (free, total) = (0, 0)
        try checkCUDA(cc_memory_info(&free, &total), "cuMemGetInfo")
        return free
    }

    /// Waits for everything that was queued.
    package func synchronize() throws(TorchError) {
        try makeCurrent()
        try checkCUDA(cc_synchronize(), "cuCtxSynchronize")
    }

    /// The stream on which libtorch queues this thread's work.
    func currentStream() throws(TorchError) -> OpaquePointer? {
        var stream: UnsafeMutableRawPointer?
        try check(ct_cuda_stream(Int32(index), &stream), "current_stream")
        return stream.map { OpaquePointer($0) }
    }

    private static func loadDriver() throws(TorchError) {
        var message = [CChar](repeating: 0, count: 512)
        guard cc_load(&message, message.count) == 0 else {
            let text = String(
                decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            throw TorchError(.unavailable, operation: "CUDA driver", message: text)
        }
    }
}

/// Turns a code of the driver into an error.
func checkCUDA(_ code: Int32, _ operation: String) throws(TorchError) {
    guard code == 0 else {
        if code == CC_NOT_LOADED {
            throw TorchError(
                .unavailable, operation: operation, message: "the CUDA driver was not loaded")
        }
        let text = cc_error_text(code).map { String(cString: $0) } ?? "unknown"
        throw TorchError(
            code == CC_OUT_OF_MEMORY ? .outOfMemory : .other, operation: operation,
            message: "\(text) (CUDA error \(code))")
    }
}
