import SparsePrefill
import Torch

/// Weights of a model that was never trained, made on the device: matrices that keep the size of what goes through
/// them, norms of one, no biases. The layers' last matrices are smaller, by the square root of their number, so that
/// the residual stream stays as large as it enters (Radford et al., GPT-2).
///
/// With planted columns (`PlantedColumns`), what makes some keys louder is part of the weights.
final class RandomWeights: TensorSource {
    private let seed: UInt64
    private let device: Device
    private let dtype: DType
    private let layers: Int
    private let planted: PlantedColumns?

    init(
        seed: UInt64, on device: Device, _ dtype: DType, layers: Int,
        planted: PlantedColumns? = nil
    ) {
        self.seed = seed
        self.device = device
        self.dtype = dtype
        self.layers = layers
        self.planted = planted
    }

    func tensor(_ name: String, shape: [Int]) throws -> Tensor {
        let tensor: Tensor
        if shape.count > 1 {
            let inputs = shape.dropFirst().reduce(1, *)
            // Uniform in [-b, b] has variance b^2 / 3.
            var bound = (3 / Float(inputs)).squareRoot()
            if Self.closesResidual(name) { bound /= Float(2 * layers).squareRoot() }
            tensor = try Tensor.uniform(
                shape, bound: bound, seed: seed, stream: Self.stream(name), dtype, on: device)
        } else {
            let isGain =
                name.hasSuffix("norm.weight")
                || name.contains(".layer_norm") && name.hasSuffix(".weight")
            tensor = try Tensor.filled(isGain ? 1 : 0, shape, dtype, on: device)
        }
        try planted?.plant(in: tensor, name)
        return tensor
    }

    private static func closesResidual(_ name: String) -> Bool {
        ["o_proj.weight", "down_proj.weight", "out_proj.weight", "fc2.weight"].contains {
            name.hasSuffix($0)
        }
    }

    /// FNV-1a of the name: a tensor does not depend on which others were asked for before it.
    private static func stream(_ name: String) -> Int {
        var state: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.utf8 { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return Int(bitPattern: UInt(state))
    }
}
