import SparsePrefill
import Torch

/// Weights of a decoder that was never trained: matrices that keep the size of what goes through them,
/// norms of one, no biases.
final class RandomWeights: TensorSource {
    private let seed: UInt64
    private var made = 0

    init(seed: UInt64) { self.seed = seed }

    func tensor(_ name: String, shape: [Int]) throws -> Tensor {
        guard shape.count > 1, let width = shape.last else {
            let isNorm = name.hasSuffix("norm.weight")
            return try Tensor.filled(isNorm ? 1 : 0, shape, .float32, on: .cpu)
        }
        defer { made += 1 }
        var generator = SplitMix64(seed: seed, stream: made << 32)
        // Uniform in [-b, b] has variance b^2 / 3.
        let bound = (3 / Float(width)).squareRoot()
        let values = (0..<shape.reduce(1, *)).map { _ in
            (Float(generator.next() >> 40) / Float(1 << 23) - 1) * bound
        }
        return try Tensor(values, shape: shape)
    }
}
