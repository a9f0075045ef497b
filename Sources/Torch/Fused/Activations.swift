/// What a linear layer reads: rows in the run's element type, or in e4m3 with one scale a row.
package struct Activations {
    /// [..., D]
    package let values: Tensor
    /// float32 [..., 1]; `nil` where the values are as they are.
    package let scale: Tensor?
    /// Of the run, whatever the values are stored in.
    package let dtype: DType

    package init(_ values: Tensor) throws(TorchError) {
        self.values = values
        scale = nil
        dtype = try values.dtype()
    }

    package init(values: Tensor, scale: Tensor, dtype: DType) {
        self.values = values
        self.scale = scale
        self.dtype = dtype
    }
}

/// How rows are stored for a linear layer.
package enum ActivationFormat: Sendable {
    /// In the run's element type.
    case asIs
    /// In float8_e4m3fn, each row divided by its largest magnitude / 448.
    case e4m3
}
