extension Tensor {
    /// Each row in e4m3 and its scale, the largest magnitude over 448; a row of zeros has scale 1.
    package func quantizedRows() throws -> Activations {
        if let device = try Kernels.device(self), let fused = try fusedQuantizedRows(on: device) {
            return fused
        }
        return try plainQuantizedRows()
    }

    /// By the kernel; `nil` where it cannot read the rows.
    package func fusedQuantizedRows(on launcher: some KernelLauncher) throws -> Activations? {
        guard let x = try RowLayout(self) else { return nil }
        return try RowKernel(name: "copy", x: x, width: x.width).run(as: .e4m3, on: launcher)
    }

    package func plainQuantizedRows() throws -> Activations {
        let wide = try converted(to: .float32)
        let most = try wide.magnitude().maximum([-1], keepingAxes: true)
        let one = try Tensor.scalar(1)
        let scale = try Tensor.where(
            most <= Tensor.scalar(0), one,
            else: (most * (1 / 448)).clamped(to: 1e-30...Float.greatestFiniteMagnitude))
        let values = try (wide * (one / scale)).clamped(to: -448...448)
        return Activations(values: try values.converted(to: .e4m3), scale: scale)
    }
}
