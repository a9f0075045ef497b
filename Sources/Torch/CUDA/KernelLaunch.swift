import CTorch
import Synchronization

/// One argument of a kernel, by value.
package enum KernelArgument {
    /// The address of the first element.
    case tensor(Tensor)
    case address(UInt64)
    case null
    case int32(Int)
    case int64(Int)
    case float(Float)

    /// The value in the lowest `byteCount` bytes.
    package var bits: UInt64 {
        get throws(TorchError) {
            switch self {
            case .tensor(let tensor): UInt64(UInt(bitPattern: try tensor.address()))
            case .address(let address): address
            case .null: 0
            case .int32(let value): UInt64(UInt32(bitPattern: Int32(truncatingIfNeeded: value)))
            case .int64(let value): UInt64(bitPattern: Int64(value))
            case .float(let value): UInt64(value.bitPattern)
            }
        }
    }

    /// Bytes of the parameter.
    package var byteCount: Int {
        switch self {
        case .tensor, .address, .null, .int64: 8
        case .int32, .float: 4
        }
    }
}

extension CUDADevice {
    /// Queues a kernel on the stream that libtorch uses on this thread.
    ///
    /// The tensors must lie on this device; nothing checks that the arguments fit the kernel's
    /// parameters. A grid without blocks launches nothing.
    /// - Throws: `TorchError` when the source does not compile, or the driver refuses the launch.
    package func launch(
        _ source: KernelSource, _ name: String, grid: (Int, Int, Int), block: Int,
        sharedBytes: Int, _ arguments: [KernelArgument]
    ) throws(TorchError) {
        guard grid.0 > 0, grid.1 > 0, grid.2 > 0 else { return }
        let kernel = try kernel(source, name, sharedBytes: sharedBytes)
        var values: [UInt64] = []
        values.reserveCapacity(arguments.count)
        for argument in arguments { values.append(try argument.bits) }
        let stream = try currentStream()
        try makeCurrent()
        let size: [UInt32] = [UInt32(grid.0), UInt32(grid.1), UInt32(grid.2)]
        let code = values.withUnsafeMutableBufferPointer { values in
            var pointers: [UnsafeMutableRawPointer?] = values.indices.map { index in
                values.baseAddress.map { UnsafeMutableRawPointer($0 + index) }
            }
            return cc_launch(
                kernel, size, UInt32(block), UInt32(sharedBytes), stream, &pointers)
        }
        // The tensors own the memory that the addresses name.
        try withExtendedLifetime(arguments) { () throws(TorchError) in
            try checkCUDA(code, "\(source.name).\(name)")
        }
    }

    /// The compiled function, with room for that much dynamic shared memory.
    func kernel(
        _ source: KernelSource, _ name: String, sharedBytes: Int
    ) throws(TorchError) -> OpaquePointer? {
        let module: KernelModule
        if let known = modules.withLock({ $0[source] }) {
            module = known
        } else {
            try makeCurrent()
            let fresh = try KernelModule(source, on: self)
            module = modules.withLock { modules in
                if let first = modules[source] { return first }
                modules[source] = fresh
                return fresh
            }
        }
        return try module.function(name, sharedBytes: sharedBytes)
    }
}
