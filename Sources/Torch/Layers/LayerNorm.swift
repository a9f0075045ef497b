/// Normalisation over the last axis, with gain and bias.
package struct LayerNorm {
    let weight: Tensor
    let bias: Tensor
    let epsilon: Double

    package init(_ weights: Weights, _ width: Int, epsilon: Double) throws {
        weight = try weights.tensor("weight", [width])
        bias = try weights.tensor("bias", [width])
        self.epsilon = epsilon
    }

    package func callAsFunction(_ x: Tensor) throws -> Tensor {
        try x.layerNorm(weight: weight, bias: bias, epsilon: epsilon)
    }
}
