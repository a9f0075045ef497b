/// Where a model's tensors come from.
package protocol TensorSource: AnyObject {
    /// - Throws: `WeightError` with the name, the expected shape and the one found.
    func tensor(_ name: String, shape: [Int]) throws -> Tensor
    /// The same on a device, in its stored element type.
    func tensor(_ name: String, shape: [Int], on device: Device) throws -> Tensor
}

extension TensorSource {
    package func tensor(_ name: String, shape: [Int], on device: Device) throws -> Tensor {
        try tensor(name, shape: shape).moved(to: device)
    }
}

/// A place in a model's tree of names, from which a layer takes its tensors:
/// `weights["self_attn"]["q_proj"].tensor("weight", [out, in])`.
package struct Weights {
    private let source: any TensorSource
    package let device: Device
    /// Element type the tensors are converted to.
    package let dtype: DType
    /// How linear layers keep their matrices.
    package let format: ActivationFormat
    private var prefix = ""

    package init(
        _ source: any TensorSource, device: Device, dtype: DType, format: ActivationFormat = .asIs
    ) {
        self.source = source
        self.device = device
        self.dtype = dtype
        self.format = format
        stacks = device != .cpu
    }

    /// Whether layers that read the same input keep one matrix: fewer and larger products. On the CPU the
    /// matrices stay as they lie in the mapped file, which several processes share.
    package var stacks: Bool

    package subscript(_ name: String) -> Weights {
        var weights = self
        weights.prefix = prefix.isEmpty ? name : "\(prefix).\(name)"
        return weights
    }

    package subscript(_ index: Int) -> Weights { self["\(index)"] }

    /// - Throws: `WeightError` with the full name, the expected shape and the one found.
    package func tensor(_ name: String, _ shape: [Int]) throws -> Tensor {
        // Converted where it ends up: a disk gives stored bytes, a GPU converts them in passing.
        try source.tensor(self[name].prefix, shape: shape, on: device).converted(to: dtype)
    }
}

extension Checkpoint: TensorSource {
    package func tensor(_ name: String, shape: [Int]) throws -> Tensor {
        try check(name, shape)
        return try tensor(name)
    }

    package func tensor(_ name: String, shape: [Int], on device: Device) throws -> Tensor {
        guard device != .cpu else { return try tensor(name, shape: shape) }
        try check(name, shape)
        return try staged(name, on: device)
    }

    private func check(_ name: String, _ shape: [Int]) throws(WeightError) {
        guard let entry = entry(name) else {
            throw WeightError(directory, "\(name) is missing (expected \(shape))")
        }
        guard entry.shape == shape else {
            throw WeightError(directory, "\(name) has shape \(entry.shape), expected \(shape)")
        }
    }
}
