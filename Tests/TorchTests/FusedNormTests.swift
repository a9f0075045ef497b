import TestSupport
import Testing
import Torch

/// The norm kernels against the plain operators. Sums of a row are taken in another order, which moves the last place
/// of the factor of a row, and so, now and then, a rounding.
@Suite struct FusedNormTests {
    init() throws { try LoadedTorch.load() }

    private static let shapes = [[0, 64], [1, 8], [4, 1024], [3, 3584], [2, 4104], [1, 9000]]

    private func inputs(
        _ shape: [Int], _ dtype: DType
    ) throws -> (x: Tensor, delta: Tensor, weight: Tensor, bias: Tensor) {
        let width = shape[1]
        // Rows away from zero: a norm that forgot the mean would show.
        let x = try Tensor.random(shape, 1) * 3 + Tensor.scalar(0.5)
        return (
            try x.converted(to: dtype), try Tensor.random(shape, 2).converted(to: dtype),
            try (Tensor.random([width], 3) + Tensor.scalar(1)).converted(to: dtype),
            try Tensor.random([width], 4).converted(to: dtype)
        )
    }

    @Test(arguments: [DType.float32, .bfloat16])
    func rmsNorm(_ dtype: DType) throws {
        for shape in Self.shapes {
            let (x, delta, weight, _) = try inputs(shape, dtype)
            let norm = try RMSNorm(weight: weight, epsilon: 1e-6)
            for format in ActivationFormat.allCases {
                let emulator = Emulator()
                try expectSame(
                    try norm.fused(x, as: format, on: emulator), try norm.plain(x, as: format),
                    dtype, "RMSNorm \(shape)", share: 0.02)
                let sum = try emulator.copy(x)
                let normed = try norm.fused(sum, adding: delta, as: format, on: emulator)
                let expected = try norm(adding: delta, to: x, as: format)
                #expect(try sum.isBitEqual(to: expected.sum), "sum \(shape)")
                try expectSame(
                    normed, expected.normed, dtype, "RMSNorm of a sum \(shape)", share: 0.02)
            }
        }
    }

    @Test(arguments: [DType.float32, .bfloat16])
    func layerNorm(_ dtype: DType) throws {
        for shape in Self.shapes {
            let (x, delta, weight, bias) = try inputs(shape, dtype)
            let norm = LayerNorm(weight: weight, bias: bias, epsilon: 1e-5)
            for format in ActivationFormat.allCases {
                let emulator = Emulator()
                try expectClose(
                    try #require(try norm.fused(x, as: format, on: emulator)).wide(),
                    try norm.plain(x, as: format).wide(), format, dtype, "LayerNorm \(shape)")
                let sum = try emulator.copy(x)
                let normed = try norm.fused(sum, adding: delta, as: format, on: emulator)
                let expected = try norm(adding: delta, to: x, as: format)
                #expect(try sum.isBitEqual(to: expected.sum), "sum \(shape)")
                try expectClose(
                    try #require(normed).wide(), try expected.normed.wide(), format, dtype,
                    "LayerNorm of a sum \(shape)")
            }
        }
    }

    @Test func aNormCalledForATensorGivesOne() throws {
        let (x, _, weight, bias) = try inputs([3, 64], .bfloat16)
        let rms = try RMSNorm(weight: weight, epsilon: 1e-6)
        let layer = LayerNorm(weight: weight, bias: bias, epsilon: 1e-5)
        let (a, b) = (try rms(x), try layer(x))
        #expect(try a.isBitEqual(to: rms.plain(x).values))
        #expect(try b.isBitEqual(to: layer.plain(x).values))
    }

    /// Near a zero of the result the difference of two roundings is relative to what was added up.
    private func expectClose(
        _ actual: Tensor, _ expected: Tensor, _ format: ActivationFormat, _ dtype: DType,
        _ name: String
    ) throws {
        let step: Float = format == .e4m3 ? 1.0 / 14 : dtype == .bfloat16 ? 1.0 / 128 : 2e-6
        try TestSupport.expectClose(actual, expected, relative: step, name)
    }
}

extension Activations {
    /// float32, the scale applied.
    fileprivate func wide() throws -> Tensor {
        let wide = try values.converted(to: .float32)
        return try scale.map { try wide * $0 } ?? wide
    }
}

extension Tensor {
    func isBitEqual(to other: Tensor) throws -> Bool {
        let (a, b) = (try converted(to: .float32), try other.converted(to: .float32))
        let mine = try a.values(as: Float.self).map(\.bitPattern)
        let others = try b.values(as: Float.self).map(\.bitPattern)
        return shape == other.shape && mine == others
    }
}
