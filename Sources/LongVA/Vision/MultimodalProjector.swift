package import Torch

/// `mlp2x_gelu`: vision width to decoder width, on every patch (before pooling).
package struct MultimodalProjector {
    private let first: Linear
    private let second: Linear

    package init(_ weights: Weights, visionWidth: Int, hiddenSize: Int) throws {
        first = try Linear(weights[0], visionWidth, hiddenSize, bias: true)
        second = try Linear(weights[2], hiddenSize, hiddenSize, bias: true)
    }

    /// [N, P, Dv] to [N, P, D]
    package func callAsFunction(_ features: Tensor) throws -> Tensor {
        try second(first(features).gelu(as: second.format))
    }
}

/// Average pooling of the patch grid, after the projector.
package struct SpatialPooling: Sendable {
    package let grid: Int
    package let stride: Int

    package init(grid: Int, stride: Int) {
        self.grid = grid
        self.stride = stride
    }

    package var tokensPerFrame: Int { (grid / stride) * (grid / stride) }

    /// [N, grid^2, D] to [N, (grid / stride)^2, D], row-major over the grid.
    package func callAsFunction(_ x: Tensor) throws -> Tensor {
        try x.pooledRows(grid: grid, size: stride)
    }

    /// Sums over each cell: [N, grid^2] to [N, (grid / stride)^2], row-major over the grid.
    package func sums(_ x: Tensor) throws -> Tensor {
        let pooled = try x.reshaped([x.shape[0], 1, grid, grid]).averagePooled(stride)
        return try (pooled * Float(stride * stride)).reshaped([x.shape[0], tokensPerFrame])
    }
}
