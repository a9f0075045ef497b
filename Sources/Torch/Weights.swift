/// Where a model's tensors come from.
package protocol TensorSource: AnyObject {
    /// - Throws: `WeightError` with the name, the expected shape and the one found.
    func tensor(_ name: String, shape: [Int]) throws -> Tensor
}

/// A place in a model's tree of names, from which a layer takes its tensors:
/// `weights["self_attn"]["q_proj"].tensor("weight", [out, in])`.
package struct Weights {
    private let source: any TensorSource
    package let device: Device
    /// Element type the tensors are converted to.
    package let dtype: DType
    private let prefix: String

    package init(_ source: any TensorSource, device: Device, dtype: DType) {
        self.init(source, device: device, dtype: dtype, prefix: "")
    }

    private init(_ source: any TensorSource, device: Device, dtype: DType, prefix: String) {
        self.source = source
        self.device = device
        self.dtype = dtype
        self.prefix = prefix
    }

    package subscript(_ name: String) -> Weights {
        Weights(
            source, device: device, dtype: dtype,
            prefix: prefix.isEmpty ? name : "\(prefix).\(name)")
    }

    package subscript(_ index: Int) -> Weights { self["\(index)"] }

    /// - Throws: `WeightError` with the full name, the expected shape and the one found.
    package func tensor(_ name: String, _ shape: [Int]) throws -> Tensor {
        try source.tensor(self[name].prefix, shape: shape).converted(to: dtype).moved(to: device)
    }
}

extension Checkpoint: TensorSource {
    package func tensor(_ name: String, shape: [Int]) throws -> Tensor {
        guard let entry = entry(name) else {
            throw WeightError(directory, "\(name) is missing (expected \(shape))")
        }
        guard entry.shape == shape else {
            throw WeightError(directory, "\(name) has shape \(entry.shape), expected \(shape)")
        }
        return try tensor(name)
    }
}
