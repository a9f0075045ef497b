extension Tensor {
    /// self + delta without the first token of each sequence, [N, T, D] to [N, T - 1, D].
    package func addingButFirst(_ delta: Tensor) throws -> Tensor {
        if let device = try Kernels.device(self, delta),
            let fused = try fusedAddingButFirst(delta, on: device)
        {
            return fused
        }
        return try plainAddingButFirst(delta)
    }

    /// By the kernel; `nil` where it cannot read the rows.
    package func fusedAddingButFirst(
        _ delta: Tensor, on launcher: some KernelLauncher
    ) throws -> Tensor? {
        guard shape.count == 3, shape[1] > 0, delta.shape == shape, let x = try RowLayout(self),
            let added = try RowLayout(delta), x.isContiguous, added.isContiguous,
            x.dtype == added.dtype, shape[0] <= KernelElement.mostSequences
        else { return nil }
        let (all, kept) = (shape[1] * x.packs, (shape[1] - 1) * x.packs)
        let y = try launcher.output([shape[0], shape[1] - 1, x.width], x.dtype, beside: self)
        // 256 threads with four packs each.
        try launcher.launch(
            .patchOutputs, "add_but_first_\(x.suffix)",
            grid: ((kept + 1023) / 1024, shape[0], 1), block: 256,
            .tensor(self), .tensor(delta), .tensor(y), .int32(all), .int32(kept))
        return y
    }

    package func plainAddingButFirst(_ delta: Tensor) throws -> Tensor {
        try (self + delta).narrowed(1, from: 1, count: shape[1] - 1)
    }

    /// Means over `size` x `size` cells of a grid of rows, in float32 with one rounding; an odd last row or column of
    /// the grid is cut.
    ///
    /// - Parameter grid: g; self is [N, g^2, D], row-major over the grid.
    /// - Returns: [N, (g / size)^2, D]
    package func pooledRows(grid: Int, size: Int) throws -> Tensor {
        if let device = try Kernels.device(self),
            let fused = try fusedPooledRows(grid: grid, size: size, on: device)
        {
            return fused
        }
        return try plainPooledRows(grid: grid, size: size)
    }

    /// By the kernel; `nil` where it cannot read the rows.
    package func fusedPooledRows(
        grid: Int, size: Int, on launcher: some KernelLauncher
    ) throws -> Tensor? {
        guard shape.count == 3, shape[1] == grid * grid, let x = try RowLayout(self),
            x.isContiguous, shape[0] <= KernelElement.mostSequences
        else { return nil }
        let cells = (grid / size) * (grid / size)
        let y = try launcher.output([shape[0], cells, x.width], x.dtype, beside: self)
        try launcher.launch(
            .patchOutputs, "pool_\(x.suffix)",
            grid: ((cells * x.packs + 255) / 256, shape[0], 1), block: 256,
            .tensor(self), .tensor(y), .int32(grid), .int32(size), .int32(x.packs))
        return y
    }

    package func plainPooledRows(grid: Int, size: Int) throws -> Tensor {
        let (count, width) = (shape[0], shape[2])
        let cells = try reshaped([count, grid, grid, width]).permuted([0, 3, 1, 2])
        let pooled = try cells.averagePooled(size)  // [N, D, g / size, g / size]
        return try pooled.permuted([0, 2, 3, 1])
            .reshaped([count, pooled.shape[2] * pooled.shape[3], width])
    }
}
