/// What a linear layer reads: rows in the run's element type, or in e4m3 with one scale a row.
package struct Activations {
    package let values: Tensor
    /// float32 [..., 1], by which the values are to be multiplied; `nil` where they are what they are.
    package let scale: Tensor?

    package init(values: Tensor, scale: Tensor? = nil) {
        self.values = values
        self.scale = scale
    }
}

/// How a norm or an activation hands its rows on.
package enum ActivationFormat: Sendable, CaseIterable {
    case asIs
    case e4m3
}

extension Tensor {
    /// These rows in the format wanted, by plain operators.
    func plainActivations(as format: ActivationFormat) throws -> Activations {
        switch format {
        case .asIs: Activations(values: self)
        case .e4m3: try plainQuantizedRows()
        }
    }
}
