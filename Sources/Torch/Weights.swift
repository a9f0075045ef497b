/// A place in a checkpoint's tree of names, from which a layer takes its tensors:
/// `weights["self_attn"]["q_proj"].tensor("weight", [out, in])`.
package struct Weights {
    package let checkpoint: Checkpoint
    package let device: Device
    /// Element type the tensors are converted to.
    package let dtype: DType
    private let prefix: String

    package init(_ checkpoint: Checkpoint, device: Device, dtype: DType, prefix: String = "") {
        self.checkpoint = checkpoint
        self.device = device
        self.dtype = dtype
        self.prefix = prefix
    }

    package subscript(_ name: String) -> Weights {
        Weights(
            checkpoint, device: device, dtype: dtype,
            prefix: prefix.isEmpty ? name : "\(prefix).\(name)")
    }

    package subscript(_ index: Int) -> Weights { self["\(index)"] }

    /// - Throws: `WeightError` with the full name, the expected shape and the one found.
    package func tensor(_ name: String, _ shape: [Int]) throws -> Tensor {
        let fullName = self[name].prefix
        guard let entry = checkpoint.entry(fullName) else {
            throw WeightError(checkpoint.directory, "\(fullName) is missing (expected \(shape))")
        }
        guard entry.shape == shape else {
            throw WeightError(
                checkpoint.directory, "\(fullName) has shape \(entry.shape), expected \(shape)")
        }
        return try checkpoint.tensor(fullName).converted(to: dtype).moved(to: device)
    }

    package func has(_ name: String) -> Bool { checkpoint.entry(self[name].prefix) != nil }
}
