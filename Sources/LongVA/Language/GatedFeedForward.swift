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

    private func gated(_ x: Activations) throws -> Activations {
        if let whole = inputs.stacked { return try whole(x).swiGLU(as: down.format) }
        let both = try inputs(x, 0..<2)
        let product = try both[0].silu() * both[1]
        return down.format == .asIs ? Activations(values: product) : try product.quantizedRows()
    }
}
