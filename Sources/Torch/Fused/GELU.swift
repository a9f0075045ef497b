extension Tensor {
    /// x sigmoid(1.702 x), CLIP's activation.
    package func quickGELU(as format: ActivationFormat = .asIs) throws -> Activations {
        if let device = try Kernels.device(self),
            let fused = try fusedQuickGELU(as: format, on: device)
        {
            return fused
        }
        return try plainQuickGELU(as: format)
    }

    /// By the kernel; `nil` where it cannot read the rows.
    package func fusedQuickGELU(
        as format: ActivationFormat = .asIs, on launcher: some KernelLauncher
    ) throws -> Activations? {
        guard let x = try RowLayout(self) else { return nil }
        return try RowKernel(name: "quick_gelu", x: x, width: x.width).run(as: format, on: launcher)
    }

    package func plainQuickGELU(as format: ActivationFormat = .asIs) throws -> Activations {
        try (self * (self * 1.702).sigmoid()).plainActivations(as: format)
    }

    /// The exact (erf) GELU.
    package func gelu(as format: ActivationFormat) throws -> Activations {
        if let device = try Kernels.device(self), let fused = try fusedGELU(as: format, on: device)
        {
            return fused
        }
        return try plainGELU(as: format)
    }

    /// By the kernel; `nil` where it cannot read the rows.
    package func fusedGELU(
        as format: ActivationFormat = .asIs, on launcher: some KernelLauncher
    ) throws -> Activations? {
        guard let x = try RowLayout(self) else { return nil }
        return try RowKernel(name: "gelu", x: x, width: x.width).run(as: format, on: launcher)
    }

    package func plainGELU(as format: ActivationFormat = .asIs) throws -> Activations {
        try gelu().plainActivations(as: format)
    }
}
