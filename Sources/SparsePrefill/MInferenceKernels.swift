package import Torch

/// MInference's attention of one layer in a handful of launches (sparse_estimate.cu,
/// sparse_attention.cu): the pairs that `MInferenceHead` computes, head for head, without a list that
/// the host would have to make.
///
/// What is counted as computed are all pairs of the kernel's tiles: those of 64 keys that a diagonal
/// touches for some row of a block of queries, and the chosen columns.
package struct MInferenceKernels {
    let patterns: [MInferencePattern]
    /// [1, H, n, d]
    let queries: Tensor
    /// [1, Hkv, n, d]
    let keys: Tensor

    /// - Returns: `nil` where the kernels cannot read the tensors, or the prompt is too short to rank its
    ///   diagonals.
    package init?(_ patterns: [MInferencePattern], queries: Tensor, keys: Tensor) throws {
        guard queries.shape[2] > Self.shortest, try Self.reads(queries), try Self.reads(keys) else {
            return nil
        }
        self.patterns = patterns
        self.queries = queries
        self.keys = keys
    }

    private static let shortest = 2 * MInferenceEstimate.rows
    /// Query rows of a block. Few follow the diagonals more closely, many do more with each key.
    package static let blocks = [64, 128]
    /// Time of a pair in blocks of 64 rows, as a multiple of its time in blocks of 128.
    private static let costOfSmallBlocks = 1.25

    private var n: Int { queries.shape[2] }
    private var heads: Int { queries.shape[1] }
    private var width: Int { queries.shape[3] }

    static func reads(_ x: Tensor) throws -> Bool {
        let strides = try x.strides()
        return try x.dtype() == .bfloat16 && [64, 128].contains(x.shape[3]) && strides[3] == 1
            && strides[1] % 8 == 0 && strides[2] % 8 == 0 && KernelArgument.tensor(x).bits % 16 == 0
    }

    /// What each head computes for this prompt, on the device.
    package struct Plan {
        /// Query rows of a block.
        let rows: Int
        /// int32 [H, 4]: kind of pattern, and its sizes.
        let specs: Tensor
        /// int32 [lists, blocks, any], or none.
        let blockLists: Tensor?
        /// int32 [H, 3, words], [H, any], [H, any], [H, 2].
        let bits, columns, tiles, counts: Tensor
        /// int64 [H]
        let pairs: Tensor
    }

    /// Estimates, chooses and lists. Reads back one number a head.
    ///
    /// - Parameter blocks: rows of a block of queries, of which the cheapest is taken.
    /// - Returns: the plan, its pairs, and the pairs computed to choose, all heads together.
    package func plan(
        blocks: [Int] = blocks, on launcher: some KernelLauncher
    ) throws -> (plan: Plan, pairs: Double, probePairs: Double) {
        let open = patterns.map { $0.coversAll(n) ? nil : $0 }
        let isRanked = open.contains { $0?.kind == .verticalAndSlash }
        let orders = isRanked ? try orders(on: launcher) : nil
        let lists = try blockLists(open)
        var specs: [Int32] = []
        var listed = 0
        for pattern in open {
            switch pattern {
            case nil: specs += [0, 0, 0, 0]
            case .verticalAndSlash(let vertical, let slash)?:
                specs += [1, Int32(min(vertical, n)), Int32(min(slash, n)), 0]
            case .streaming(let initial, let local)?:
                specs += [2, Int32(min(initial, n)), Int32(min(local, n)), 0]
            case .blockSparse?:
                specs += [3, Int32(listed), 0, 0]
                listed += 1
            }
        }
        let columns = specs.indices.filter { $0 % 4 == 1 && (1...2) ~= specs[$0 - 1] }
            .map { Int(specs[$0]) }.max()
        let table = try Tensor(specs, shape: [heads, 4], on: keys.device())
        // Lists are of blocks of 64 rows.
        let plans = try (lists == nil ? blocks : [MInferenceBlocks.side]).map { rows in
            try plan(
                rows: rows, specs: table, orders: orders, blockLists: lists,
                mostColumns: max(1, columns ?? 0), on: launcher)
        }
        let counted: [Int] = try Tensor.concatenated(plans.map(\.pairs), axis: 0).values()
        let pairs = plans.indices.map { plan in
            counted[plan * heads..<(plan + 1) * heads].reduce(0) { $0 + Double($1) }
        }
        func cost(_ plan: Int) -> Double {
            pairs[plan] * (plans[plan].rows == MInferenceBlocks.side ? Self.costOfSmallBlocks : 1)
        }
        let best = plans.indices.min { cost($0) < cost($1) } ?? 0
        let probePairs = MInferenceChoice.probePairs(open, n: n)
        return (plans[best], pairs[best], probePairs)
    }

    private func plan(
        rows: Int, specs: Tensor, orders: (columns: Tensor, diagonals: Tensor)?,
        blockLists: Tensor?,
        mostColumns: Int, on launcher: some KernelLauncher
    ) throws -> Plan {
        func output(_ shape: [Int], _ dtype: DType = .int32) throws -> Tensor {
            try launcher.output(shape, dtype, beside: keys)
        }
        let plan = Plan(
            rows: rows, specs: specs, blockLists: blockLists,
            // bitmap_words of the kernels.
            bits: try output([heads, 3, (n + 544) / 32]),
            columns: try output([heads, mostColumns]),
            tiles: try output([heads, (n + rows) / 64 + 2]),
            counts: try output([heads, 2]), pairs: try output([heads], .int64))
        try launcher.launch(
            .sparseAttention, "sparse_lists", grid: (heads, 1, 1), block: 256,
            .tensor(specs), orders.map { .tensor($0.columns) } ?? .null,
            orders.map { .tensor($0.diagonals) } ?? .null,
            blockLists.map { .tensor($0) } ?? .null, .int32(blockLists?.shape[2] ?? 0),
            .int32(MInferencePairs.forcedColumns), .int32(MInferencePairs.forcedOffsets), .int32(n),
            .int32(rows), .tensor(plan.bits), .tensor(plan.columns), .int32(mostColumns),
            .tensor(plan.tiles), .int32(plan.tiles.shape[1]), .tensor(plan.counts),
            .tensor(plan.pairs))
        return plan
    }

    /// - Parameter values: [1, Hkv, n, d], as the keys.
    /// - Returns: [1, H, n, d] over memory [n, H, d].
    package func attend(
        _ plan: Plan, values: Tensor, on launcher: some KernelLauncher
    ) throws -> Tensor {
        let values = try Self.reads(values) ? values : values.contiguous()
        let output = try launcher.output([1, n, heads, width], .bfloat16, beside: keys)
            .transposed(1, 2)
        let stages = 4 * 64 * width * 2
        let strides = try [queries, keys, values, output].flatMap { x in
            let strides = try x.strides()
            return [KernelArgument.int64(strides[1]), .int64(strides[2])]
        }
        try launcher.launch(
            .sparseAttention, "sparse_attention_\(plan.rows)x\(width)",
            grid: ((n + plan.rows - 1) / plan.rows, heads, 1), block: 128,
            sharedBytes: plan.rows == 128 ? stages + plan.rows * width * 2 : stages,
            [
                .tensor(queries), .tensor(keys), .tensor(values), .tensor(output),
                .tensor(plan.specs),
                plan.blockLists.map { .tensor($0) } ?? .null,
                .int32(plan.blockLists?.shape[2] ?? 0),
                .tensor(plan.bits), .tensor(plan.columns), .int32(plan.columns.shape[1]),
                .tensor(plan.tiles), .int32(plan.tiles.shape[1]), .tensor(plan.counts),
                .int32(heads / keys.shape[1]), .int32(n),
            ] + strides + [.float(Self.scale(width))])
        return output
    }

    /// Turns products into logarithms of base 2.
    private static func scale(_ width: Int) -> Float {
        1.442_695_04 / Float(width).squareRoot()
    }
}

extension MInferenceKernels {
    /// Sums over columns and over diagonals of the last rows' attention, float32 [H, n] each.
    package func estimate(on launcher: some KernelLauncher) throws -> (
        columns: Tensor, diagonals: Tensor
    ) {
        let rows = MInferenceEstimate.rows
        // Enough blocks for every multiprocessor, long enough to be worth their start.
        let split = min(4096, max(256, (n * heads / 1024 + 63) / 64 * 64))
        let splits = (n + split - 1) / split
        func output(_ shape: [Int]) throws -> Tensor {
            try launcher.output(shape, .float32, beside: keys)
        }
        let maxima = try output([heads, splits, rows, 2])
        let columns = try output([heads, n])
        let parts = try output([heads, splits, split + rows - 1])
        let diagonals = try output([heads, n])
        let (ofQueries, ofKeys) = (try queries.strides(), try keys.strides())
        let common: [KernelArgument] = [
            .int32(heads / keys.shape[1]), .int32(n), .int32(split), .int64(ofQueries[1]),
            .int64(ofQueries[2]), .int64(ofKeys[1]), .int64(ofKeys[2]), .float(Self.scale(width)),
        ]
        let stages = 2 * 64 * width * 2
        try launcher.launch(
            .sparseEstimate, "sparse_estimate_maxima_\(width)", grid: (splits, heads, 1),
            block: 128,
            sharedBytes: stages, [.tensor(queries), .tensor(keys), .tensor(maxima)] + common)
        try launcher.launch(
            .sparseEstimate, "sparse_estimate_sums_\(width)", grid: (splits, heads, 1), block: 128,
            // A tile of weights with a word more a row, and the split's diagonals.
            sharedBytes: stages + 4 * (rows * 65 + split + rows - 1),
            [.tensor(queries), .tensor(keys), .tensor(maxima), .tensor(columns), .tensor(parts)]
                + common)
        try launcher.launch(
            .sparseEstimate, "sparse_estimate_join", grid: ((n + 255) / 256, heads, 1), block: 256,
            .tensor(parts), .tensor(diagonals), .int32(n), .int32(split), .int32(splits))
        return (columns, diagonals)
    }

    /// What is not chosen anyway, best first, ties by the lower index: int64 [H, n - forced], counted
    /// from behind the forced ones.
    private func orders(
        on launcher: some KernelLauncher
    ) throws -> (columns: Tensor, diagonals: Tensor) {
        let sums = try estimate(on: launcher)
        func order(_ sums: Tensor, behind forced: Int) throws -> Tensor {
            try sums.narrowed(1, from: forced, count: n - forced).sorted(descending: true).indices
                .contiguous()
        }
        return (
            try order(sums.columns, behind: MInferencePairs.forcedColumns),
            try order(sums.diagonals, behind: MInferencePairs.forcedOffsets)
        )
    }

    /// For each block-sparse head and block of queries the chosen blocks before its own, ascending; what
    /// comes after them is not before its own. `nil` where there is no such head.
    private func blockLists(_ open: [MInferencePattern?]) throws -> Tensor? {
        let side = MInferenceBlocks.side
        let blocks = (n + side - 1) / side
        let counts: [(head: Int, count: Int)] = open.enumerated().compactMap { head, pattern in
            if case .blockSparse(let count)? = pattern { (head, min(count, blocks)) } else { nil }
        }
        guard let most = counts.map(\.count).max() else { return nil }
        let device = try keys.device()
        let column = try Tensor.range(blocks, on: device).reshaped([1, blocks])
        let row = try column.reshaped([blocks, 1])
        let isPast = try column <= row
        let none = try Tensor.filled(-.infinity, [1], .float32, on: device)
        let later = try Tensor([blocks], on: device)
        let lists = try counts.map { head, count in
            let scores = try MInferenceBlocks.scores(
                queries: queries.narrowed(1, from: head, count: 1),
                keys: keys.narrowed(1, from: head / (heads / keys.shape[1]), count: 1))
            let best = try Tensor.where(isPast, scores, else: none).sorted(descending: true).indices
                .narrowed(1, from: 0, count: count)
            let before = try Tensor.where(row <= best, later, else: best).sorted(descending: false)
                .values
            let rest = try Tensor.filled(
                Double(blocks), [blocks, most - count], .int64, on: device)
            return try Tensor.concatenated([before, rest], axis: 1).unsqueezed(0)
        }
        return try Tensor.concatenated(lists, axis: 0).converted(to: .int32).contiguous()
    }
}
