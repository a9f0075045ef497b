extension LayerNorm {
    /// The norm of [first, others] + positions, the sum rounded to the element type.
    ///
    /// - Parameters:
    ///   - first: [D], in front of every sequence.
    ///   - others: [N, T - 1, D]
    ///   - positions: [T, D]
    /// - Returns: [N, T, D]
    package func callAsFunction(
        first: Tensor, others: Tensor, positions: Tensor
    ) throws -> Tensor {
        if let device = try Kernels.device(first, others, positions, weight, bias),
            let normed = try fused(first: first, others: others, positions: positions, on: device)
        {
            return normed
        }
        return try plain(first: first, others: others, positions: positions)
    }

    /// By the kernel; `nil` where it cannot read the rows, or they are wider than what it holds.
    package func fused(
        first: Tensor, others: Tensor, positions: Tensor, on launcher: some KernelLauncher
    ) throws -> Tensor? {
        guard others.shape.count == 3, let rows = try RowLayout(others), rows.isContiguous,
            let places = try RowLayout(positions), places.isContiguous,
            rows.packs <= Self.mostTokenPacks, places.dtype == rows.dtype
        else { return nil }
        let (count, tokens) = (others.shape[0], others.shape[1] + 1)
        guard positions.shape == [tokens, rows.width] else { return nil }
        for vector in [first, weight, bias] {
            guard vector.count == rows.width, try vector.dtype() == rows.dtype,
                try vector.isPackAligned()
            else { return nil }
        }
        let y = try launcher.output([count, tokens, rows.width], rows.dtype, beside: others)
        try launcher.launch(
            .norms, "layer_norm_tokens_\(rows.suffix)", grid: (count * tokens, 1, 1), block: 128,
            .tensor(first), .tensor(others), .tensor(positions), .tensor(weight), .tensor(bias),
            .float(Float(epsilon)), .int32(tokens), .int32(rows.packs), .tensor(y))
        return y
    }

    package func plain(first: Tensor, others: Tensor, positions: Tensor) throws -> Tensor {
        let (count, width) = (others.shape[0], others.shape[2])
        let firsts = try first.reshaped([1, 1, width]).expanded([count, 1, width])
        let x = try Tensor.concatenated([firsts, others], axis: 1) + positions
        return try plain(x).values
    }

    /// Packs that the kernel's 128 threads hold in registers.
    private static let mostTokenPacks = 512
}
