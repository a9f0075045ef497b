package import Torch

extension Tensor {
    /// Numbers between -1 and 1, float32, the same for the same seed everywhere.
    package static func random(_ shape: [Int], _ seed: UInt64) throws -> Tensor {
        var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 0xD1B5_4A32_D192_ED03
        let values = (0..<shape.reduce(1, *)).map { _ -> Float in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(state >> 40) / Float(1 << 23) - 1
        }
        return try Tensor(values, shape: shape)
    }
}
