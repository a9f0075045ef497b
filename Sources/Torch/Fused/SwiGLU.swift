extension Tensor {
    /// silu(gate) up; each row [..., 2F] has its F gates first.
    ///
    /// - Returns: [..., F]
    package func swiGLU(as format: ActivationFormat = .asIs) throws -> Activations {
        if let device = try Kernels.device(self),
            let fused = try fusedSwiGLU(as: format, on: device)
        {
            return fused
        }
        return try plainSwiGLU(as: format)
    }

    /// By the kernel; `nil` where it cannot read the rows.
    package func fusedSwiGLU(
        as format: ActivationFormat = .asIs, on launcher: some KernelLauncher
    ) throws -> Activations? {
        guard let x = try RowLayout(self), x.packs % 2 == 0 else { return nil }
        return try RowKernel(name: "swiglu", x: x, width: x.width / 2).run(as: format, on: launcher)
    }

    package func plainSwiGLU(as format: ActivationFormat = .asIs) throws -> Activations {
        let width = (shape.last ?? 0) / 2
        let gate = try narrowed(-1, from: 0, count: width)
        let up = try narrowed(-1, from: width, count: width)
        return try (gate.silu() * up).plainActivations(as: format)
    }
}
