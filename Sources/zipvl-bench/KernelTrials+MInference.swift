import SparsePrefill
import Torch

extension KernelTrials {
    /// MInference's attention by tiles, every pattern, in blocks of 64 and of 128 queries.
    static func sparseAttention(_ maker: inout TrialMaker) throws -> KernelTrial {
        let layer = SparseLayer(&maker)
        let n = layer.n
        let patterns: [MInferencePattern] = [
            .verticalAndSlash(vertical: n / 12, slash: n / 5),
            .streaming(initial: maker.pick([0, 4, n / 3]), local: maker.pick([1, 20, n / 6])),
            maker.pick([
                .standard, .blockSparse(blocks: 1), .blockSparse(blocks: max(1, n / 256)),
            ]),
            .verticalAndSlash(vertical: maker.pick([0, 1, 3]), slash: 101),
        ]
        let blocks = maker.pick([[64], [128], [64, 128]])
        func plain(_ inputs: [Tensor]) throws -> [Tensor] {
            let wide = try inputs.map { try $0.converted(to: .float32) }
            let choice = try MInferenceChoice(patterns, queries: wide[0], keys: wide[1])
            return [
                try choice.attend(queries: wide[0], keys: wide[1], values: wide[2]).output
            ]
        }
        return KernelTrial(
            operation: "sparse attention",
            size: "\(layer.description), blocks \(blocks), \(patterns[1]), \(patterns[2])",
            bytes: layer.bytes,
            // Weights and outputs are rounded to bf16, and a column on the border may change sides.
            limit: 1e-2, inputs: layer.inputs,
            fused: { inputs in
                guard let device = try Kernels.device(inputs[0]),
                    let kernels = try MInferenceKernels(
                        patterns, queries: inputs[0], keys: inputs[1])
                else { return try plain(inputs) }
                let plan = try kernels.plan(blocks: blocks, on: device).plan
                return [try kernels.attend(plan, values: inputs[2], on: device)]
            },
            plain: plain)
    }

    /// Where the last queries look: sums over columns and over diagonals.
    static func sparseEstimate(_ maker: inout TrialMaker) throws -> KernelTrial {
        let layer = SparseLayer(&maker)
        let patterns = [MInferencePattern](repeating: .standard, count: SparseLayer.heads)
        func plain(_ inputs: [Tensor]) throws -> [Tensor] {
            let estimate = try MInferenceEstimate(
                queries: inputs[0].converted(to: .float32),
                keys: inputs[1].converted(to: .float32))
            return try [estimate.columnSums, estimate.offsetSums].map {
                try Tensor($0.flatMap { $0 }, shape: [SparseLayer.heads, layer.n])
            }
        }
        return KernelTrial(
            operation: "sparse estimate", size: layer.description, bytes: layer.keyBytes,
            limit: 1e-4, inputs: layer.inputs,
            fused: { inputs in
                guard let device = try Kernels.device(inputs[0]),
                    let kernels = try MInferenceKernels(
                        patterns, queries: inputs[0], keys: inputs[1])
                else { return try plain(inputs) }
                let sums = try kernels.estimate(on: device)
                return try [sums.columns, sums.diagonals].map { try $0.moved(to: .cpu) }
            },
            plain: plain)
    }
}

/// Heads as a projection leaves them: [1, H, n, d] over memory [n, H, d].
private struct SparseLayer {
    static let (heads, keyValueHeads) = (4, 2)
    let n, width: Int
    private let tensors: [() throws -> Tensor]

    init(_ maker: inout TrialMaker) {
        n = maker.pick(maker.isSmall ? [129, 200, 450, 577] : [600, 2304, 4097, 9256])
        width = maker.pick([64, 128])
        var tensors: [() throws -> Tensor] = []
        for (heads, bound) in [
            (Self.heads, Float(3)), (Self.keyValueHeads, 2), (Self.keyValueHeads, 1),
        ] {
            let make = maker.values([1, n, heads, width], .bfloat16, bound: bound)
            tensors.append { try make().transposed(1, 2) }
        }
        self.tensors = tensors
    }

    /// Queries, keys, values.
    func inputs() throws -> [Tensor] { try tensors.map { try $0() } }

    var keyBytes: Int { 2 * Self.keyValueHeads * n * width }
    var bytes: Int { 2 * keyBytes + 4 * Self.heads * n * width }
    var description: String { "\(Self.heads) over \(Self.keyValueHeads) heads of \(width), \(n)" }
}
