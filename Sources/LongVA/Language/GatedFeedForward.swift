import Torch

/// SwiGLU: down(silu(gate x) * up x).
struct GatedFeedForward {
    /// gate, up
    let inputs: StackedLinear
    let down: Linear

    init(_ weights: Weights, width: Int, intermediate: Int) throws {
        inputs = try StackedLinear(
            weights, [("gate_proj", intermediate), ("up_proj", intermediate)], inputs: width,
            bias: false)
        down = try Linear(weights["down_proj"], intermediate, width, bias: false)
    }

    /// What it reads.
    var format: ActivationFormat { inputs.format }

    /// [1, R, D] to [1, R, D], so many rows at a time.
    func callAsFunction(_ x: Activations, rowsAtOnce: Int) throws -> Tensor {
        let rows = x.values.shape[1]
        guard rows > rowsAtOnce else { return try down(gated(x)) }
        let output = try Tensor.empty(
            [1, rows, down.outputs], down.dtype, on: x.values.device())
        for start in stride(from: 0, to: rows, by: rowsAtOnce) {
            let count = min(rowsAtOnce, rows - start)
            try down(
                gated(x.narrowed(1, from: start, count: count)),
                into: output.narrowed(1, from: start, count: count))
        }
        return output
    }

    /// Adds `delta` to the rows and the layer's output of their norm to the sum, all over the rows' own
    /// memory, so many rows at a time: of a long prompt nothing else is as large as its hidden states.
    ///
    /// - Parameters:
    ///   - x: [1, R, D], contiguous.
    ///   - delta: [1, R, D]; `nil` adds none.
    /// - Returns: `false`, and nothing is done, where the rows or the layer's weights do not allow it.
    func add(
        to x: Tensor, after delta: Tensor?, norm: RMSNorm, rowsAtOnce: Int
    ) throws -> Bool {
        guard down.canAdd, let device = try Kernels.device(x, delta ?? x) else { return false }
        let rows = x.shape[1]
        for start in stride(from: 0, to: rows, by: rowsAtOnce) {
            let count = min(rowsAtOnce, rows - start)
            let part = try x.narrowed(1, from: start, count: count)
            guard
                let normed = try norm.fused(
                    part, adding: delta?.narrowed(1, from: start, count: count), as: format,
                    on: device)
            else {
                if start == 0 { return false }
                throw TorchError(
                    .other, operation: "rms_norm", shapes: [part.shape],
                    message: "these rows cannot be read as those before them were")
            }
            try down.add(gated(normed), to: part)
        }
        return true
    }

    private func gated(_ x: Activations) throws -> Activations {
        if let whole = inputs.stacked { return try whole(x).swiGLU(as: down.format) }
        let both = try inputs(x, 0..<2)
        let product = try both[0].silu() * both[1]
        return down.format == .asIs ? Activations(values: product) : try product.quantizedRows()
    }
}
