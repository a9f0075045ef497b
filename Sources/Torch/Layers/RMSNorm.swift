/// x / rms(x) * gain, normalised in float32 and cast back before the gain, as Qwen2 does
/// (transformers, models/qwen2/modeling_qwen2.py, Qwen2RMSNorm).
package struct RMSNorm {
    let weight: Tensor
    let epsilon: Tensor

    package init(_ weights: Weights, _ width: Int, epsilon: Double) throws {
        weight = try weights.tensor("weight", [width])
        self.epsilon = try Tensor.scalar(Float(epsilon))
    }

    package func callAsFunction(_ x: Tensor) throws -> Tensor {
        let wide = try x.converted(to: .float32)
        let meanSquare = try (wide * wide).mean([-1], keepingAxes: true)
        let normalised = try wide * (meanSquare + epsilon).rsqrt()
        return try weight * normalised.converted(to: try x.dtype())
    }
}
