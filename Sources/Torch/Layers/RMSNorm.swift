/// x / rms(x) * gain, normalised in float32 and cast back before the gain, as Qwen2 does
/// (transformers, models/qwen2/modeling_qwen2.py, Qwen2RMSNorm).
package struct RMSNorm {
    let weight: Tensor
    let epsilon: Tensor
    private let kernel: NormKernel

    package init(_ weights: Weights, _ width: Int, epsilon: Double) throws {
        try self.init(weight: weights.tensor("weight", [width]), epsilon: epsilon)
    }

    package init(weight: Tensor, epsilon: Double) throws {
        self.weight = weight
        self.epsilon = try Tensor.scalar(Float(epsilon))
        kernel = NormKernel(name: "rms_norm", weight: weight, bias: nil, epsilon: epsilon)
    }

    package func callAsFunction(_ x: Tensor) throws -> Tensor {
        try callAsFunction(x, as: .asIs).values
    }

    package func callAsFunction(
        _ x: Tensor, as format: ActivationFormat = .asIs
    ) throws -> Activations {
        if let device = try Kernels.device(x, weight),
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
        if let device = try Kernels.device(x, delta, weight),
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
        try kernel.run(x, adding: delta, as: format, on: launcher)
    }

    package func plain(_ x: Tensor, as format: ActivationFormat = .asIs) throws -> Activations {
        let wide = try x.converted(to: .float32)
        let meanSquare = try (wide * wide).mean([-1], keepingAxes: true)
        let normalised = try wide * (meanSquare + epsilon).rsqrt()
        return try (weight * normalised.converted(to: try x.dtype())).plainActivations(as: format)
    }
}
