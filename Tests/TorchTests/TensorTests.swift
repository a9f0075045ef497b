import TestSupport
import Testing
import Torch

/// Operators against values worked out by hand: they pin the order and the defaults of the arguments
/// that go over the C ABI.
@Suite struct TensorTests {
    init() throws { try LoadedTorch.load() }

    private func matrix() throws -> Tensor {
        try Tensor([Float(1), 2, 3, 4, 5, 6], shape: [2, 3])
    }

    @Test func arithmeticBroadcasts() throws {
        let a = try matrix()
        let row = try Tensor([Float(10), 20, 30])
        #expect(try (a + row).values() == [Float(11), 22, 33, 14, 25, 36])
        #expect(try (a - row).values() == [Float(-9), -18, -27, -6, -15, -24])
        #expect(try (a * 2).values() == [Float(2), 4, 6, 8, 10, 12])
        #expect(try (a / row).values() == [Float(0.1), 0.1, 0.1, 0.4, 0.25, 0.2])
    }

    @Test func linearAddsItsBiasAndTransposesItsWeight() throws {
        let weight = try Tensor([Float(1), 0, 0, 0, 1, 1], shape: [2, 3])
        let bias = try Tensor([Float(100), 200])
        #expect(try matrix().linear(weight, bias).values() == [Float(101), 205, 104, 211])
        #expect(try matrix().linear(weight).values() == [Float(1), 5, 4, 11])
    }

    @Test func viewsSelectWhatTheyName() throws {
        let a = try matrix()
        #expect(try a.transposed(0, 1).contiguous().values() == [Float(1), 4, 2, 5, 3, 6])
        #expect(try a.narrowed(1, from: 1, count: 2).values() == [Float(2), 3, 5, 6])
        #expect(try a.gathered(1, Tensor([2, 0])).values() == [Float(3), 1, 6, 4])
        let replaced = try a.replacing(
            0, Tensor([1]), with: Tensor([Float(7), 8, 9], shape: [1, 3]))
        #expect(try replaced.values() == [Float(1), 2, 3, 7, 8, 9])
        #expect(try a.values() == [Float(1), 2, 3, 4, 5, 6])
        #expect(try Tensor.concatenated([a, a], axis: 1).shape == [2, 6])
        #expect(try a.unsqueezed(0).expanded([4, -1, -1]).shape == [4, 2, 3])
    }

    @Test func reductionsKeepOrDropTheirAxes() throws {
        let a = try matrix()
        #expect(try a.sum([0]).values() == [Float(5), 7, 9])
        #expect(try a.mean([-1], keepingAxes: true).shape == [2, 1])
        #expect(try a.mean([-1]).values() == [Float(2), 5])
    }

    @Test func activationsAreTheExactForms() throws {
        let x = try Tensor([Float(-1), 0, 1, 2])
        try expectClose(
            x.gelu(), Tensor([Float(-0.15865526), 0, 0.8413447, 1.9544997]), relative: 1e-6, "gelu")
        try expectClose(
            x.silu(), Tensor([Float(-0.26894143), 0, 0.7310586, 1.7615942]), relative: 1e-6, "silu")
        try expectClose(
            x.softmax(0), Tensor([Float(0.0320586), 0.08714432, 0.23688282, 0.64391426]),
            relative: 1e-6, "softmax")
    }

    @Test func layerNormUsesGainBiasAndEpsilon() throws {
        let x = try Tensor([Float(1), 3], shape: [1, 2])
        let normed = try x.layerNorm(
            weight: Tensor([Float(2), 2]), bias: Tensor([Float(10), 10]), epsilon: 0)
        try expectClose(
            normed, Tensor([Float(8), 12], shape: [1, 2]), relative: 1e-6, "layer norm")
    }

    @Test func averagePoolingCutsAnOddRowAndColumn() throws {
        let x = try Tensor((0..<9).map(Float.init), shape: [1, 1, 3, 3])
        #expect(try x.averagePooled(2).values() == [Float(2)])
    }

    @Test func groupedAttentionEqualsAttentionWithRepeatedKeys() throws {
        var seed = UInt64(7)
        func random(_ shape: [Int]) throws -> Tensor {
            let values = (0..<shape.reduce(1, *)).map { _ -> Float in
                seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Float(seed >> 40) / Float(1 << 23) - 1
            }
            return try Tensor(values, shape: shape)
        }
        let (q, k, v) = (
            try random([1, 6, 5, 4]), try random([1, 2, 5, 4]), try random([1, 2, 5, 4])
        )
        func repeated(_ x: Tensor) throws -> Tensor {
            try x.unsqueezed(2).expanded([1, 2, 3, 5, 4]).reshaped([1, 6, 5, 4])
        }
        let grouped = try q.attention(keys: k, values: v, isCausal: true)
        let plain = try q.attention(keys: repeated(k), values: repeated(v), isCausal: true)
        try expectClose(grouped, plain, relative: 1e-6, "grouped attention")
        // The first row sees one key: its output is that key's value.
        let first = try grouped.narrowed(2, from: 0, count: 1)
        try expectClose(
            first, repeated(v).narrowed(2, from: 0, count: 1), relative: 1e-6, "first row")
    }

    @Test func elementTypesConvertAndAreChecked() throws {
        let x = try Tensor([Float(1.5), -2])
        #expect(try x.converted(to: .bfloat16).dtype() == .bfloat16)
        #expect(
            try x.converted(to: .bfloat16).converted(to: .float32).values() == [Float(1.5), -2])
        #expect(throws: TorchError.self) { try x.values(as: Int64.self) }
    }
}
