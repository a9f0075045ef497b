/// What runs kernels: a GPU, or, in tests, the emulator. The fused operations are written against it, so that a test
/// without a GPU runs the very launch that a GPU gets.
package protocol KernelLauncher {
    /// Runs a kernel, or queues it.
    func launch(
        _ source: KernelSource, _ name: String, grid: (Int, Int, Int), block: Int, sharedBytes: Int,
        _ arguments: [KernelArgument]
    ) throws(TorchError)

    /// Memory that a kernel is to fill.
    func output(_ shape: [Int], _ dtype: DType, beside: Tensor) throws(TorchError) -> Tensor
}

extension KernelLauncher {
    package func launch(
        _ source: KernelSource, _ name: String, grid: (Int, Int, Int), block: Int,
        sharedBytes: Int = 0, _ arguments: KernelArgument...
    ) throws(TorchError) {
        try launch(
            source, name, grid: grid, block: block, sharedBytes: sharedBytes, arguments)
    }

    package func output(
        _ shape: [Int], _ dtype: DType, beside tensor: Tensor
    ) throws(TorchError) -> Tensor {
        try Tensor.empty(shape, dtype, on: try tensor.device())
    }
}

extension CUDADevice: KernelLauncher {}
