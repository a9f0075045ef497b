import CTorch

/// Kernels in the order in which they are put here, on a stream that records them.
package final class KernelQueue: KernelLauncher {
    private let device: CUDADevice
    private let stream: OpaquePointer?
    /// Whether a kernel may begin before the one in front of it has ended.
    private let overlaps: Bool
    private var isEmpty = true

    init(_ device: CUDADevice, stream: OpaquePointer?, overlaps: Bool) {
        self.device = device
        self.stream = stream
        self.overlaps = overlaps
    }

    package func launch(
        _ source: KernelSource, _ name: String, grid: (Int, Int, Int), block: Int,
        sharedBytes: Int, _ arguments: [KernelArgument]
    ) throws(TorchError) {
        guard grid.0 > 0, grid.1 > 0, grid.2 > 0 else { return }
        let kernel = try device.kernel(source, name, sharedBytes: sharedBytes)
        var values: [UInt64] = []
        values.reserveCapacity(arguments.count)
        for argument in arguments { values.append(try argument.bits) }
        try device.makeCurrent()
        let size: [UInt32] = [UInt32(grid.0), UInt32(grid.1), UInt32(grid.2)]
        let start = overlaps && !isEmpty ? cc_launch_overlapping : cc_launch
        isEmpty = false
        let code = values.withUnsafeMutableBufferPointer { values in
            var pointers: [UnsafeMutableRawPointer?] = values.indices.map { index in
                values.baseAddress.map { UnsafeMutableRawPointer($0 + index) }
            }
            return start(kernel, size, UInt32(block), UInt32(sharedBytes), stream, &pointers)
        }
        // The tensors own the memory that the addresses name.
        try withExtendedLifetime(arguments) { () throws(TorchError) in
            try checkCUDA(code, "\(source.name).\(name)")
        }
    }
}
