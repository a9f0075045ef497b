/// A kernel of norms.cu: rows normalised, after a residual is added in place.
struct NormKernel {
    /// `rms_norm` or `layer_norm`.
    let name: String
    let weight: Tensor
    let bias: Tensor?
    let epsilon: Double

    /// `nil` where the kernel cannot read the rows.
    func run(
        _ x: Tensor, adding delta: Tensor?, as format: ActivationFormat,
        on launcher: some KernelLauncher
    ) throws -> Activations? {
        guard let rows = try RowLayout(x), rows.isContiguous, try fits(rows, weight),
            try bias.map({ try fits(rows, $0) }) ?? true
        else { return nil }
        if let delta {
            guard let added = try RowLayout(delta), added.isContiguous, delta.shape == x.shape,
                added.dtype == rows.dtype
            else { return nil }
        }
        var arguments: [KernelArgument] = [
            .tensor(x), delta.map { .tensor($0) } ?? .null, .tensor(weight),
        ]
        if let bias { arguments.append(.tensor(bias)) }
        arguments += [.float(Float(epsilon)), .int32(rows.packs)]
        let values = try launcher.output(
            x.shape, format == .e4m3 ? .e4m3 : rows.dtype, beside: x)
        arguments.append(.tensor(values))
        var scale: Tensor?
        if format == .e4m3 {
            let made = try launcher.output(rows.shape(width: 1), .float32, beside: x)
            arguments.append(.tensor(made))
            scale = made
        }
        try launcher.launch(
            .norms, name + (format == .e4m3 ? "_e4m3_" : "_") + rows.suffix,
            grid: (rows.rows, 1, 1), block: 128, sharedBytes: 0, arguments)
        return Activations(values: values, scale: scale)
    }

    private func fits(_ rows: RowLayout, _ vector: Tensor) throws -> Bool {
        try vector.count == rows.width && vector.dtype() == rows.dtype && vector.isPackAligned()
    }
}
