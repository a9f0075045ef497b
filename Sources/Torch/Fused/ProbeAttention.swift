/// The attention of a few rows, summed over them for each key, on a GPU: `probe.cu`.
package enum ProbeAttention {
    private static let log2e: Float = 1.442_695_040_888_963_4

    /// Sums of causal attention, or `nil` where no kernel serves and the caller takes plain operators.
    ///
    /// - Parameters:
    ///   - queries: bfloat16 [1, H, m, d], RoPE included.
    ///   - keys: bfloat16 [1, Hkv, n, d]
    ///   - rows: int64 [m], ascending: the rows of the queries; row i sees keys 0...i.
    ///   - finished: int32 zeros, one for each KV head's block of 128 padded query rows; zeros
    ///     afterwards too, so that layers can share them.
    /// - Returns: float32 [Hkv, P, n]: for each KV head P parts of the sum over its query heads and all
    ///   rows.
    package static func columnSums(
        queries: Tensor, keys: Tensor, rows: Tensor, finished: Tensor? = nil
    ) throws -> Tensor? {
        guard let device = try Kernels.device(queries, keys, rows) else { return nil }
        return try columnSums(
            queries: queries, keys: keys, rows: rows, finished: finished, on: device)
    }

    /// The same by a given launcher; `nil` where the kernel cannot read the tensors.
    package static func columnSums(
        queries: Tensor, keys: Tensor, rows: Tensor, finished: Tensor? = nil,
        on launcher: some KernelLauncher
    ) throws -> Tensor? {
        let (heads, probes, width) = (queries.shape[1], queries.shape[2], queries.shape[3])
        let (keyValueHeads, n) = (keys.shape[1], keys.shape[2])
        guard width == 64 || width == 128, keys.shape[3] == width, probes > 0, n > 0,
            let query = try rowStrides(queries), let key = try rowStrides(keys)
        else { return nil }
        let group = heads / keyValueHeads
        let grid = ProbeGrid(
            group: group, keyValueHeads: keyValueHeads, probes: probes, keys: n)
        let blocks = keyValueHeads * grid.slabs
        let count: Tensor
        if let finished, finished.count >= blocks {
            count = finished
        } else {
            count = try Tensor.zeros([blocks], .int32, on: keys.device())
        }
        // Largest logits and sums of each range; then one offset and one limit for each query row.
        let scratch = try launcher.output(
            [(2 * grid.ranges + 2) * blocks * ProbeGrid.held], .float32, beside: keys)
        func part(_ first: Int, _ size: Int) throws -> Tensor {
            try scratch.narrowed(
                0, from: first * blocks * ProbeGrid.held, count: size * blocks * ProbeGrid.held)
        }
        let (offsets, limits) = (try part(2 * grid.ranges, 1), try part(2 * grid.ranges + 1, 1))
        let sums = try launcher.output([keyValueHeads, grid.shares, n], .float32, beside: keys)
        let scale = log2e / Float(width).squareRoot()
        try launcher.launch(
            .probe, "probe_row_sums_\(width)", grid: (blocks, grid.ranges, 1),
            block: ProbeGrid.held, .tensor(queries), .int64(query.row), .int64(query.head),
            .tensor(keys), .int64(key.row), .int64(key.head), .tensor(rows), .int32(probes),
            .int32(group), .int32(grid.slabs), .int32(n), .int32(grid.keysPerRange),
            .float(scale), .tensor(scratch), .tensor(part(grid.ranges, 1)), .tensor(offsets),
            .tensor(limits), .tensor(count))
        try launcher.launch(
            .probe, "probe_column_sums_\(width)",
            grid: ((n + ProbeGrid.held - 1) / ProbeGrid.held, keyValueHeads * grid.shares, 1),
            block: ProbeGrid.held, .tensor(queries), .int64(query.row), .int64(query.head),
            .tensor(keys), .int64(key.row), .int64(key.head), .tensor(rows), .int32(probes),
            .int32(group), .int32(grid.slabs), .int32(n), .int32(grid.shares), .float(scale),
            .tensor(offsets), .tensor(limits), .tensor(sums))
        return sums
    }

    /// Elements between rows and between heads of [1, heads, rows, d], where the kernels can read it: in
    /// bfloat16, 16 bytes at a time.
    private static func rowStrides(_ x: Tensor) throws -> (row: Int, head: Int)? {
        let strides = try x.strides()
        guard try x.dtype() == .bfloat16, strides[3] == 1, strides[2] % 8 == 0,
            strides[1] % 8 == 0, try x.isPackAligned()
        else { return nil }
        return (strides[2], strides[1])
    }
}
