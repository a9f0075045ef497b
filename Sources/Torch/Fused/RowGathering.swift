extension Tensor {
    /// The rows that int64 `rows` [K] names: of axis 1 of [1, R, D], or of axis 2 of [1, H, R, d].
    ///
    /// - Returns: [1, K, D], or [1, H, K, d] over memory [K, H, d].
    package func gatheredRows(_ axis: Int, _ rows: Tensor) throws -> Tensor {
        if let device = try Kernels.device(self, rows),
            let fused = try fusedGatheredRows(axis, rows, on: device)
        {
            return fused
        }
        return try plainGatheredRows(axis, rows)
    }

    /// By the kernel; `nil` where it cannot read the rows.
    package func fusedGatheredRows(
        _ axis: Int, _ rows: Tensor, on launcher: some KernelLauncher
    ) throws -> Tensor? {
        guard shape.count == axis + 2, shape[0] == 1, axis == 1 || axis == 2,
            try rows.dtype() == .int64
        else { return nil }
        let dtype = try dtype()
        let unit = 16 / dtype.byteCount
        let strides = try strides()
        var (heads, width) = (axis == 2 ? shape[1] : 1, shape[axis + 1])
        let shapeOfResult = [1, rows.count, heads, width]
        let (headStride, rowStride) = (heads > 1 ? strides[1] : width, strides[axis])
        guard width > 0, width % unit == 0, strides[axis + 1] == 1, headStride % unit == 0,
            rowStride % unit == 0, try isPackAligned()
        else { return nil }
        if headStride == width { (heads, width) = (1, heads * width) }
        let units = heads * width / unit
        let lanes = Self.lanes(for: units)
        let y = try launcher.output(shapeOfResult, dtype, beside: self)
        try launcher.launch(
            .gather, "gather_rows", grid: ((rows.count * lanes + 127) / 128, 1, 1), block: 128,
            .tensor(self), .int64(rowStride / unit), .int64(headStride / unit),
            .tensor(try rows.contiguous()), .tensor(y), .int32(rows.count), .int32(heads),
            .int32(width / unit), .int32(lanes))
        return axis == 2 ? try y.transposed(1, 2) : try y.reshaped([1, rows.count, shape[2]])
    }

    package func plainGatheredRows(_ axis: Int, _ rows: Tensor) throws -> Tensor {
        guard axis == 2 else { return try gathered(axis, rows) }
        return try transposed(1, 2).gathered(1, rows).transposed(1, 2)
    }

    /// self [1, R, D] with `part` [1, K, D] added to the rows that int64 `rows` [K] names, none twice.
    ///
    /// On a GPU this happens in place: use only the result.
    package func addingRows(_ rows: Tensor, _ part: Tensor) throws -> Tensor {
        if let device = try Kernels.device(self, rows, part),
            let fused = try fusedAddingRows(rows, part, on: device)
        {
            return fused
        }
        return try plainAddingRows(rows, part)
    }

    /// In place, by the kernel; `nil` where it cannot read the rows.
    package func fusedAddingRows(
        _ rows: Tensor, _ part: Tensor, on launcher: some KernelLauncher
    ) throws -> Tensor? {
        guard let x = try RowLayout(self), let delta = try RowLayout(part), x.isContiguous,
            delta.isContiguous, x.dtype == delta.dtype, x.width == delta.width,
            delta.rows == rows.count, try rows.dtype() == .int64
        else { return nil }
        let lanes = Self.lanes(for: x.packs)
        try launcher.launch(
            .gather, "add_rows_\(x.suffix)", grid: ((rows.count * lanes + 127) / 128, 1, 1),
            block: 128,
            .tensor(self), .tensor(try rows.contiguous()), .tensor(part), .int32(rows.count),
            .int32(x.packs), .int32(lanes))
        return self
    }

    package func plainAddingRows(_ rows: Tensor, _ part: Tensor) throws -> Tensor {
        try replacing(1, rows, with: gathered(1, rows) + part)
    }

    /// Threads that work on one row of `units` times 16 bytes: each has four of them, or more.
    private static func lanes(for units: Int) -> Int {
        var lanes = 1
        while lanes < 128 && lanes * 4 < units { lanes *= 2 }
        return lanes
    }
}
