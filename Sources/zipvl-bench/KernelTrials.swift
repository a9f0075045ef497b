import Torch

/// Every fused operation: an entry makes one trial. An operation is added here when it is made.
enum KernelTrials {
    typealias Entry = @Sendable (inout TrialMaker) throws -> KernelTrial

    static let all: [Entry] = rows + others

    private static let rows: [Entry] =
        ActivationFormat.allCases.flatMap { format -> [Entry] in
            [
                {
                    row("swiglu", format, &$0, of: 2, { try $0.swiGLU(as: format) }) {
                        try $0.plainSwiGLU(as: format)
                    }
                },
                {
                    row("quick_gelu", format, &$0, { try $0.quickGELU(as: format) }) {
                        try $0.plainQuickGELU(as: format)
                    }
                },
                {
                    row("gelu", format, &$0, { try $0.gelu(as: format) }) {
                        try $0.plainGELU(as: format)
                    }
                },
                { try rmsNorm(format, &$0, isAdding: false) },
                { try rmsNorm(format, &$0, isAdding: true) },
                { try layerNorm(format, &$0, isAdding: false) },
                { try layerNorm(format, &$0, isAdding: true) },
            ]
        }

    private static let others: [Entry] =
        [
            {
                row("quantize", .e4m3, &$0, { try $0.quantizedRows() }) {
                    try $0.plainQuantizedRows()
                }
            },
            { rotation(&$0) },
            { try gathering(&$0, axis: 1) },
            { try gathering(&$0, axis: 2) },
            { try adding(&$0) },
            { patches(&$0) },
            { try tokenNorm(&$0) },
            { addingButFirst(&$0) },
            { pooling(&$0) },
            { try probe(&$0) },
            { try quantizedLinear(&$0) },
            { try embedding(&$0) },
            { try decodeAttention(&$0) },
            { try sampling(&$0) },
            { try sparseEstimate(&$0) },
            { try sparseAttention(&$0) },
            { try packing(&$0) },
            { try packedAttention(&$0) },
        ]
        + ScoreSpread.allCases.flatMap { spread in
            ScoreQuota.allCases.map { quota -> Entry in { try selection(spread, quota, &$0) } }
        }
        + Product.allCases.flatMap { form in
            WeightFormat.allCases.map { format -> Entry in { try product(form, format, &$0) } }
        }

    /// An operation on rows [1, R, parts width] that gives rows [1, R, width].
    private static func row(
        _ name: String, _ format: ActivationFormat, _ maker: inout TrialMaker, of parts: Int = 1,
        _ fused: @escaping (Tensor) throws -> Activations,
        _ plain: @escaping (Tensor) throws -> Activations
    ) -> KernelTrial {
        let (rows, width, dtype) = (maker.rows(), maker.width(18_944), maker.dtype())
        let shape = [1, rows, parts * width]
        let values = maker.values(shape, dtype)
        let element = dtype.byteCount
        return KernelTrial(
            operation: name + (format == .e4m3 && name != "quantize" ? " e4m3" : ""),
            size: "\(shape) \(dtype)",
            bytes: rows * width * (parts * element + (format == .e4m3 ? 1 : element)),
            limit: TrialMaker.limit(dtype, format), inputs: { [try values()] },
            fused: { [try fused($0[0]).widened()] }, plain: { [try plain($0[0]).widened()] })
    }

    private static func rmsNorm(
        _ format: ActivationFormat, _ maker: inout TrialMaker, isAdding: Bool
    ) throws -> KernelTrial {
        let (width, dtype) = (maker.width(4096), maker.dtype())
        let norm = try RMSNorm(weight: maker.values([width], dtype)(), epsilon: 1e-6)
        return try self.norm(
            "rms_norm", format, &maker, isAdding, width, dtype, one: { try norm($0, as: format) },
            both: { try norm(adding: $0, to: $1, as: format) },
            plain: { try norm.plain($0, as: format) })
    }

    private static func layerNorm(
        _ format: ActivationFormat, _ maker: inout TrialMaker, isAdding: Bool
    ) throws -> KernelTrial {
        let (width, dtype) = (maker.width(4096), maker.dtype())
        let norm = LayerNorm(
            weight: try maker.values([width], dtype)(), bias: try maker.values([width], dtype)(),
            epsilon: 1e-5)
        return try self.norm(
            "layer_norm", format, &maker, isAdding, width, dtype,
            one: { try norm($0, as: format) }, both: { try norm(adding: $0, to: $1, as: format) },
            plain: { try norm.plain($0, as: format) })
    }

    private static func norm(
        _ name: String, _ format: ActivationFormat, _ maker: inout TrialMaker, _ isAdding: Bool,
        _ width: Int, _ dtype: DType, one: @escaping (Tensor) throws -> Activations,
        both: @escaping (Tensor, Tensor) throws -> (sum: Tensor, normed: Activations),
        plain: @escaping (Tensor) throws -> Activations
    ) throws -> KernelTrial {
        let rows = maker.rows()
        let shape = [1, rows, width]
        let (x, delta) = (maker.values(shape, dtype), maker.values(shape, dtype))
        let element = dtype.byteCount
        let written = format == .e4m3 ? 1 : element
        return KernelTrial(
            operation: name + (isAdding ? " adding" : "") + (format == .e4m3 ? " e4m3" : ""),
            size: "\(shape) \(dtype)",
            bytes: rows * width * (element + written + (isAdding ? 2 * element : 0)),
            limit: TrialMaker.limit(dtype, format),
            inputs: { isAdding ? [try x(), try delta()] : [try x()] },
            fused: {
                guard isAdding else { return [try one($0[0]).widened()] }
                let result = try both($0[1], $0[0])
                return [result.sum, try result.normed.widened()]
            },
            plain: {
                guard isAdding else { return [try plain($0[0]).widened()] }
                let sum = try $0[0] + $0[1]
                return [sum, try plain(sum).widened()]
            })
    }

    private static func rotation(_ maker: inout TrialMaker) -> KernelTrial {
        let (rows, heads, width) = (
            maker.rows(), maker.pick([1, 4, 7, 28]), maker.pick([64, 128])
        )
        let (dtype, isView) = (maker.dtype(), maker.pick([true, false]))
        // As a view: the heads in the midst of a wider row.
        let wide = isView ? heads + 3 : heads
        let x = maker.values([1, rows, wide, width], dtype)
        let (cosine, sine) = (
            maker.values([rows, width], dtype, bound: 1),
            maker.values([rows, width], dtype, bound: 1)
        )
        return KernelTrial(
            operation: "rotated",
            size: "[1, \(heads), \(rows), \(width)] \(dtype)\(isView ? " view" : "")",
            bytes: rows * width * dtype.byteCount * (2 * heads + 2),
            limit: TrialMaker.limit(dtype),
            inputs: {
                let all = try x().narrowed(2, from: wide - heads, count: heads).transposed(1, 2)
                return [all, try cosine(), try sine()]
            },
            fused: { [try $0[0].rotated(cosine: $0[1], sine: $0[2])] },
            plain: { [try $0[0].plainRotated(cosine: $0[1], sine: $0[2])] })
    }

    private static func gathering(_ maker: inout TrialMaker, axis: Int) throws -> KernelTrial {
        let (rows, heads, dtype) = (
            maker.rows(), axis == 2 ? maker.pick([1, 4, 28]) : 1, maker.dtype()
        )
        let width = axis == 2 ? 128 : maker.width(4096)
        let kept = max(1, rows * 2 / 5)
        let chosen = try maker.ascending(kept, below: rows)
        let x = maker.values([1, rows, heads, width], dtype)
        return KernelTrial(
            operation: "gathered axis \(axis)",
            size: "\(kept) of [1, \(rows), \(heads) x \(width)] \(dtype)",
            bytes: 2 * kept * heads * width * dtype.byteCount + 8 * kept, limit: 0,
            inputs: {
                let all = try x()
                return [
                    axis == 2 ? try all.transposed(1, 2) : try all.reshaped([1, rows, width]),
                    chosen,
                ]
            },
            fused: { [try $0[0].gatheredRows(axis, $0[1])] },
            plain: { [try $0[0].plainGatheredRows(axis, $0[1])] })
    }

    private static func adding(_ maker: inout TrialMaker) throws -> KernelTrial {
        let (rows, width, dtype) = (maker.rows(), maker.width(4096), maker.dtype())
        let kept = max(1, rows * 2 / 5)
        let chosen = try maker.ascending(kept, below: rows)
        let (x, part) = (
            maker.values([1, rows, width], dtype), maker.values([1, kept, width], dtype)
        )
        return KernelTrial(
            operation: "adding rows", size: "\(kept) to [1, \(rows), \(width)] \(dtype)",
            bytes: 3 * kept * width * dtype.byteCount + 8 * kept, limit: 0,
            inputs: { [try x(), chosen, try part()] },
            fused: { [try $0[0].addingRows($0[1], $0[2])] },
            plain: { [try $0[0].plainAddingRows($0[1], $0[2])] })
    }
}
