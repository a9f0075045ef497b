/// Normalisation over the last axis, with gain and bias.
package struct LayerNorm {
    let weight: Tensor
    let bias: Tensor
    let epsilon: Double

    package init(_ weights: Weights, _ width: Int, epsilon: Double) throws {
        self.init(
            weight: try weights.tensor("weight", [width]),
            bias: try weights.tensor("bias", [width]), epsilon: epsilon)
    }

    package init(weight: Tensor, bias: Tensor, epsilon: Double) {
        self.weight = weight
        self.bias = bias
        self.epsilon = epsilon
    }

    package func callAsFunction(_ x: Tensor) throws -> Tensor {
        try callAsFunction(x, as: .asIs).values
    }

    package func callAsFunction(
        _ x: Tensor, as format: ActivationFormat = .asIs
    ) throws -> Activations {
        if let device = try Kernels.device(x, weight, bias),
            let normed = try fused(x, as: format, on: device)
        {
            return normed
        }
        return try plain(x, as: format)
    }

    /// x + delta, in place on a GPU, and its norm.
    package func callAsFunction(
        adding delta: Tensor, to x: Tensor, as format: ActivationFormat = .asIs
    ) throws -> (sum: Tensor, normed: Activations) {
        if let device = try Kernels.device(x, delta, weight, bias),
            let normed = try fused(x, adding: delta, as: format, on: device)
        {
            return (x, normed)
        }
        let sum = try x + delta
        return (sum, try plain(sum, as: format))
    }

    /// By the kernel, with the delta added to x in place; `nil` where it cannot read the rows.
    package func fused(
        _ x: Tensor, adding delta: Tensor? = nil, as format: ActivationFormat,
        on launcher: some KernelLauncher
    ) throws -> Activations? {
        let kernel = NormKernel(name: "layer_norm", weight: weight, bias: bias, epsilon: epsilon)
        return try kernel.run(x, adding: delta, as: format, on: launcher)
    }

    package func plain(_ x: Tensor, as format: ActivationFormat = .asIs) throws -> Activations {
        try x.layerNorm(weight: weight, bias: bias, epsilon: epsilon).plainActivations(as: format)
    }
}
