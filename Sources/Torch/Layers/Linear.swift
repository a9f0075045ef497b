/// y = x W^T + b.
package struct Linear {
    /// [out, in]
    package let weight: Tensor
    package let bias: Tensor?

    package init(_ weights: Weights, _ inputs: Int, _ outputs: Int, bias: Bool) throws {
        weight = try weights.tensor("weight", [outputs, inputs])
        self.bias = bias ? try weights.tensor("bias", [outputs]) : nil
    }

    package func callAsFunction(_ x: Tensor) throws -> Tensor { try x.linear(weight, bias) }
}
