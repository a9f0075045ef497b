/// y = x W^T + b, with W in the run's element type or in e4m3.
package struct Linear {
    /// [out, in]; e4m3 where there is a scale.
    package let weight: Tensor
    /// float32 [out, 1]: what each row of an e4m3 weight is multiplied by.
    package let scale: Tensor?
    /// [out]
    package let bias: Tensor?
    /// Of the outputs.
    package let dtype: DType
    private let isOnGPU: Bool
    /// The library's scaled product gives bfloat16 alone.
    private var hasScaledProduct: Bool { isOnGPU && dtype == .bfloat16 }

    package init(_ weights: Weights, _ inputs: Int, _ outputs: Int, bias: Bool) throws {
        let weight = try weights.tensor("weight", [outputs, inputs])
        try self.init(
            weight: weight, bias: bias ? weights.tensor("bias", [outputs]) : nil,
            format: weights.format)
    }

    /// - Parameter format: e4m3 quantises the weight, one scale a row, where both of its sizes are multiples of 16.
    init(weight: Tensor, bias: Tensor?, format: ActivationFormat) throws {
        if format == .e4m3, weight.shape.allSatisfy({ $0 % 16 == 0 }) {
            let rows = try weight.quantizedRows()
            try self.init(
                weight: rows.values, scale: rows.scale, bias: bias, dtype: weight.dtype())
        } else {
            try self.init(weight: weight, scale: nil, bias: bias, dtype: weight.dtype())
        }
    }

    private init(
        weight: Tensor, scale: Tensor?, bias: Tensor?, dtype: DType
    ) throws(TorchError) {
        self.weight = weight
        self.dtype = dtype
        self.scale = scale
        self.bias = bias
        isOnGPU = try weight.device() != .cpu
    }

    /// Some rows of the matrix, as views.
    func rows(from start: Int, count: Int) throws(TorchError) -> Linear {
        try Linear(
            weight: weight.narrowed(0, from: start, count: count),
            scale: scale?.narrowed(0, from: start, count: count),
            bias: bias?.narrowed(0, from: start, count: count), dtype: dtype)
    }

    package var outputs: Int { weight.shape[0] }
    /// What the layer reads.
    package var format: ActivationFormat { scale == nil ? .asIs : .e4m3 }

    package func callAsFunction(_ x: Tensor) throws -> Tensor {
        try callAsFunction(format == .asIs ? Activations(values: x) : x.quantizedRows())
    }

    /// [..., in] to [..., out] in the run's element type.
    package func callAsFunction(_ x: Activations) throws -> Tensor {
        guard let scale, let rowScale = x.scale else { return try x.values.linear(weight, bias) }
        let shape = Array(x.values.shape.dropLast())
        let rows = shape.reduce(1, *)
        let values = try x.values.reshaped([rows, weight.shape[1]])
        let rowScales = try rowScale.reshaped([rows, 1])
        let scales = try scale.reshaped([1, outputs])
        let y: Tensor
        if hasScaledProduct, rows > 0 {
            y = try values.scaledMatmul(
                weight.transposed(0, 1), rowScales, scales, bias: bias, as: dtype)
        } else {
            // e4m3 is exact in float32: what differs from the scaled product is the order of the sum.
            let product = try values.converted(to: .float32)
                .matmul(weight.converted(to: .float32).transposed(0, 1))
            let scaled = try product * rowScales * scales
            y = try (bias.map { try scaled + $0 } ?? scaled).converted(to: dtype)
        }
        return try y.reshaped(shape + [outputs])
    }

    /// The same, written over `output` [..., out], whose rows are contiguous.
    package func callAsFunction(_ x: Activations, into output: Tensor) throws {
        guard isOnGPU, bias == nil, scale == nil || hasScaledProduct else {
            return try output.overwrite(with: callAsFunction(x))
        }
        let rows = output.count / outputs
        let target = try output.reshaped([rows, outputs])
        let values = try x.values.reshaped([rows, weight.shape[1]])
        guard let scale, let rowScale = x.scale else {
            return try values.matmul(weight.transposed(0, 1), into: target)
        }
        try values.scaledMatmul(
            weight.transposed(0, 1), rowScale.reshaped([rows, 1]),
            scale.reshaped([1, outputs]), as: dtype, into: target)
    }
}

extension Linear {
    /// Whether `add` can: the library adds to a product only where it has no scales.
    package var canAdd: Bool { isOnGPU && scale == nil && bias == nil }

    /// Adds the layer's output to `rows` [..., out], which are contiguous, over their own memory.
    package func add(_ x: Activations, to rows: Tensor) throws {
        let count = rows.count / outputs
        try rows.reshaped([count, outputs]).addProduct(
            x.values.reshaped([count, weight.shape[1]]), weight.transposed(0, 1))
    }
}

/// Several linear layers that read the same input.
///
/// Where weights are stacked, their matrices lie under each other in one, and neighbours are computed by
/// one product.
package struct StackedLinear {
    private let parts: [Linear]
    private let whole: Linear?

    package init(_ parts: [Linear]) { (self.parts, whole) = (parts, nil) }

    /// - Parameter layers: names below `weights` and outputs of each, all without bias or all with one.
    package init(
        _ weights: Weights, _ layers: [(name: String, outputs: Int)], inputs: Int, bias: Bool
    ) throws {
        guard weights.stacks else {
            whole = nil
            parts = try layers.map { layer in
                try Linear(weights[layer.name], inputs, layer.outputs, bias: bias)
            }
            return
        }
        let tensors = try layers.map { layer in
            try weights[layer.name].tensor("weight", [layer.outputs, inputs])
        }
        let biases =
            try bias
            ? layers.map { layer in try weights[layer.name].tensor("bias", [layer.outputs]) } : []
        let whole = try Linear(
            weight: Tensor.concatenated(tensors, axis: 0),
            bias: bias ? Tensor.concatenated(biases, axis: 0) : nil, format: weights.format)
        var start = 0
        parts = try layers.map { layer in
            defer { start += layer.outputs }
            return try whole.rows(from: start, count: layer.outputs)
        }
        self.whole = whole
    }

    package var format: ActivationFormat { whole?.format ?? parts.first?.format ?? .asIs }
    package subscript(_ part: Int) -> Linear { parts[part] }
    /// All matrices as one; `nil` where they are not stacked.
    package var stacked: Linear? { whole }

    /// The outputs of some neighbouring layers, [..., out] each; views of one tensor where they are stacked.
    package func callAsFunction(_ x: Activations, _ range: Range<Int>) throws -> [Tensor] {
        guard let whole, range.count > 1 else { return try range.map { try parts[$0](x) } }
        let sizes = range.map { parts[$0].outputs }
        let first = parts[..<range.lowerBound].reduce(0) { $0 + $1.outputs }
        let layer =
            range.count == parts.count
            ? whole : try whole.rows(from: first, count: sizes.reduce(0, +))
        let y = try layer(x)
        var start = 0
        return try sizes.map { size in
            defer { start += size }
            return try y.narrowed(y.shape.count - 1, from: start, count: size)
        }
    }
}
