import CTorch
import Synchronization

/// A compiled source on one device. It stays loaded as long as the process runs.
final class KernelModule: Sendable {
    private struct Function {
        /// `cc_function` as a number.
        let address: UInt
        /// Set for every kernel that has any: what it needs by itself counts too towards what is free.
        var sharedLimit = 0
    }

    private let source: KernelSource
    /// `cc_module` as a number.
    private let module: UInt
    private let functions = Mutex<[String: Function]>([:])

    /// The device's context must be current.
    init(_ source: KernelSource, on device: CUDADevice) throws(TorchError) {
        let image = try KernelCompiler.image(of: source, for: device)
        var module: OpaquePointer?
        let code = image.withUnsafeBytes { cc_module_load($0.baseAddress, &module) }
        try checkCUDA(code, "loading \(source.name).cu")
        self.source = source
        self.module = UInt(bitPattern: module)
    }

    func function(_ name: String, sharedBytes: Int) throws(TorchError) -> OpaquePointer? {
        let known = functions.withLock { $0[name] }
        if let known, sharedBytes <= known.sharedLimit {
            return OpaquePointer(bitPattern: known.address)
        }
        var address: OpaquePointer?
        try checkCUDA(
            cc_module_function(OpaquePointer(bitPattern: module), name, &address),
            "\(source.name).\(name)")
        var function = Function(address: UInt(bitPattern: address))
        if sharedBytes > function.sharedLimit {
            try checkCUDA(
                cc_function_shared_limit(address, Int32(sharedBytes)),
                "\(source.name).\(name): \(sharedBytes) bytes of shared memory")
            function.sharedLimit = sharedBytes
        }
        functions.withLock { $0[name] = function }
        return address
    }
}
