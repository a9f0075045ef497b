import TestSupport
import Testing
import Torch

/// What stands around a vision tower's layers, by the very launches that a GPU gets, against the plain operators.
@Suite struct FusedVisionTests {
    init() throws { try LoadedTorch.load() }

    /// All three channels mean something else by a byte.
    private func patches(_ size: Int, _ dtype: DType) throws -> FramePatches {
        FramePatches(size: size, meanings: try Tensor.random([3, 256], 11), dtype: dtype)
    }

    private func bytes(_ shape: [Int]) throws -> Tensor {
        try Tensor(
            (0..<shape.reduce(1, *)).map { UInt8(truncatingIfNeeded: $0 &* 187) },
            shape: shape)
    }

    @Test(arguments: [DType.float32, .bfloat16])
    func patchesOfBytes(_ dtype: DType) throws {
        // Frames that patches fill, and that they do not; strips of 16 bytes, and others; none at all.
        for (count, side, size) in [
            (2, 28, 14), (1, 56, 14), (3, 33, 8), (2, 21, 5), (1, 3, 4), (0, 28, 14),
        ] {
            let patches = try patches(size, dtype)
            let frames = try bytes([count, side, side, 3])
            let matrix = try #require(try patches.fused(frames, on: Emulator()))
            #expect(matrix.shape == [count * (side / size) * (side / size), patches.width])
            #expect(patches.width % 16 == 0 && patches.width >= 3 * size * size)
            let expected = try patches.plain(frames)
            #expect(try matrix.isBitEqual(to: expected), "\(count) of \(side) by \(size)")
        }
    }

    @Test func patchesOfSomeFramesOfAVideo() throws {
        let patches = try patches(5, .bfloat16)
        let frames = try bytes([4, 15, 15, 3]).narrowed(0, from: 1, count: 2)
        let matrix = try #require(try patches.fused(frames, on: Emulator()))
        #expect(try matrix.isBitEqual(to: patches.plain(frames)))
    }

    @Test(arguments: [DType.float32, .bfloat16])
    func patchesOfPixels(_ dtype: DType) throws {
        for (count, side, size) in [(2, 28, 14), (3, 33, 8), (2, 21, 5)] {
            let patches = try patches(size, dtype)
            let frames = try Tensor.random([count, 3, side, side], 12).converted(to: dtype)
            let matrix = try #require(try patches.fused(frames, on: Emulator()))
            #expect(try matrix.isBitEqual(to: patches.plain(frames)), "\(side) by \(size)")
        }
    }

    @Test func theProductWithPatchesIsTheConvolution() throws {
        for (side, size) in [(28, 14), (33, 8)] {
            let patches = try patches(size, .float32)
            let weight = try Tensor.random([24, 3, size, size], 13)
            let frames = try bytes([2, side, side, 3])
            let product = try patches.plain(frames).linear(patches.weight(weight))
            let convolution = try patches.pixels(frames).conv2d(weight: weight, stride: size)
                .reshaped([2, 24, -1]).transposed(1, 2).reshaped([-1, 24])
            try expectClose(product, convolution, relative: 2e-6, "\(side) by \(size)")
        }
    }

    @Test func aByteMeansWhatTheTableSaysOfItsChannel() throws {
        let patches = try patches(2, .float32)
        let pixels = try patches.pixels(bytes([1, 4, 4, 3])).values(as: Float.self)
        let frames = try bytes([1, 4, 4, 3]).values(as: UInt8.self)
        let meanings = try patches.meanings.values(as: Float.self)
        for (place, byte) in frames.enumerated() {
            let (channel, pixel) = (place % 3, place / 3)
            #expect(pixels[channel * 16 + pixel] == meanings[channel * 256 + Int(byte)])
        }
    }

    @Test(arguments: [DType.float32, .bfloat16])
    func normOfTokens(_ dtype: DType) throws {
        for (count, tokens, width) in [
            (2, 5, 64), (3, 2, 8), (1, 10, 1024), (2, 2, 2048), (0, 3, 8),
        ] {
            let norm = LayerNorm(
                weight: try (Tensor.random([width], 3) + Tensor.scalar(1)).converted(to: dtype),
                bias: try Tensor.random([width], 4).converted(to: dtype), epsilon: 1e-5)
            let first = try (Tensor.random([width], 5) * 3).converted(to: dtype)
            let others = try (Tensor.random([count, tokens - 1, width], 6) + Tensor.scalar(0.5))
                .converted(to: dtype)
            let positions = try Tensor.random([tokens, width], 7).converted(to: dtype)
            let normed = try #require(
                try norm.fused(
                    first: first, others: others, positions: positions, on: Emulator()))
            try expectClose(
                normed, norm.plain(first: first, others: others, positions: positions),
                relative: dtype == .bfloat16 ? 1.0 / 128 : 2e-6, "\(count) of \(tokens) x \(width)")
        }
    }

    @Test func normOfTokensThatAreTooWide() throws {
        let width = 4104
        let norm = LayerNorm(
            weight: try Tensor.random([width], 3), bias: try Tensor.random([width], 4),
            epsilon: 1e-5)
        #expect(
            try norm.fused(
                first: .random([width], 5), others: .random([1, 2, width], 6),
                positions: .random([3, width], 7), on: Emulator()) == nil)
    }

    @Test(arguments: [DType.float32, .bfloat16])
    func addingButFirst(_ dtype: DType) throws {
        for shape in [[2, 5, 64], [3, 1, 8], [1, 2, 8], [2, 19, 1024], [0, 3, 8]] {
            let x = try Tensor.random(shape, 8).converted(to: dtype)
            let delta = try Tensor.random(shape, 9).converted(to: dtype)
            let sum = try #require(try x.fusedAddingButFirst(delta, on: Emulator()))
            #expect(try sum.isBitEqual(to: x.plainAddingButFirst(delta)), "\(shape)")
            #expect(sum.shape == [shape[0], shape[1] - 1, shape[2]])
        }
        let part = try Tensor.random([2, 5, 128], 8).narrowed(2, from: 0, count: 64)
        #expect(try part.fusedAddingButFirst(part, on: Emulator()) == nil)
    }

    @Test(arguments: [DType.float32, .bfloat16])
    func pooledRows(_ dtype: DType) throws {
        for (count, grid, size, width) in [
            (2, 4, 2, 64), (1, 5, 2, 24), (3, 7, 3, 8), (2, 3, 1, 8), (1, 24, 2, 40),
            (1, 9, 4, 1048), (0, 4, 2, 8),
        ] {
            let x = try (Tensor.random([count, grid * grid, width], 10) * 4).converted(to: dtype)
            let pooled = try #require(
                try x.fusedPooledRows(grid: grid, size: size, on: Emulator()))
            let expected = try x.plainPooledRows(grid: grid, size: size)
            #expect(try pooled.isBitEqual(to: expected), "\(count) of \(grid)^2 by \(size)")
        }
    }
}
