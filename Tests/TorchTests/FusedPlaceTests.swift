import TestSupport
import Testing
import Torch

/// Rotation, gathering and adding by index: nothing but single roundings, so the kernels give the plain operators' bits.
@Suite struct FusedPlaceTests {
    init() throws { try LoadedTorch.load() }

    /// [1, H, R, d] as a part of a fused projection [R, (H + others) d].
    private func heads(
        _ heads: Int, _ rows: Int, _ width: Int, _ dtype: DType, on emulator: Emulator
    ) throws -> Tensor {
        let all = try Tensor.random([rows, heads + 3, width], UInt64(heads * rows)).converted(
            to: dtype)
        return try emulator.copy(all).narrowed(1, from: 2, count: heads).unsqueezed(0).transposed(
            1, 2)
    }

    @Test(arguments: [DType.float32, .bfloat16])
    func rotation(_ dtype: DType) throws {
        for (h, rows, width) in [(1, 1, 64), (4, 37, 128), (28, 5, 128), (6, 300, 64), (3, 0, 128)]
        {
            let emulator = Emulator()
            let x = try heads(h, rows, width, dtype, on: emulator)
            let angles = try Tensor.random([rows, width], 5) * 3
            let cosine = try angles.cos().converted(to: dtype)
            let sine = try angles.sin().converted(to: dtype)
            let expected = try x.plainRotated(cosine: cosine, sine: sine)
            let untouched = try heads(h, rows, width, dtype, on: Emulator())
            let rotated = try #require(
                try x.fusedRotated(cosine: cosine, sine: sine, on: emulator))
            #expect(try rotated.isBitEqual(to: expected), "\(h) heads, \(rows) rows, \(width)")
            #expect(try x.isBitEqual(to: expected), "it happens in place")
            let isSame = try x.isBitEqual(to: untouched)
            #expect(rows == 0 || !isSame)
        }
    }

    @Test func rotationOfWhatTheKernelCannotRead() throws {
        let emulator = Emulator()
        func refuses(_ x: Tensor, _ table: Tensor) throws -> Bool {
            try x.fusedRotated(cosine: table, sine: table, on: emulator) == nil
        }
        #expect(try refuses(.random([1, 2, 3, 12], 1), .random([3, 12], 1)))
        #expect(try refuses(.random([1, 2, 3, 16], 1), .random([4, 16], 1)))
        #expect(try refuses(.random([2, 2, 3, 16], 1), .random([3, 16], 1)))
        #expect(
            try refuses(.random([1, 2, 3, 16], 1).converted(to: .bfloat16), .random([3, 16], 1)))
        #expect(try refuses(.random([1, 2, 16, 16], 1).transposed(2, 3), .random([16, 16], 1)))
    }

    @Test(arguments: [DType.float32, .bfloat16])
    func gatheringRows(_ dtype: DType) throws {
        for (rows, width, chosen) in [
            (1, 8, [0]), (40, 3584, [3, 39, 0, 17]), (9, 64, [8, 8, 1]), (5, 24, []),
        ] {
            let x = try Tensor.random([1, rows, width], 6).converted(to: dtype)
            let indices = try Tensor(chosen)
            let y = try #require(try x.fusedGatheredRows(1, indices, on: Emulator()))
            #expect(try y.isBitEqual(to: x.plainGatheredRows(1, indices)), "\(rows) x \(width)")
        }
    }

    @Test(arguments: [DType.float32, .bfloat16])
    func gatheringHeads(_ dtype: DType) throws {
        let emulator = Emulator()
        let indices = try Tensor([30, 2, 3, 29, 11, 0])
        for (h, width) in [(1, 64), (4, 128), (28, 128), (3, 24)] {
            let tokenMajor = try heads(h, 31, width, dtype, on: emulator)
            let headMajor = try tokenMajor.contiguous()
            for x in [tokenMajor, headMajor] {
                let y = try #require(try x.fusedGatheredRows(2, indices, on: emulator))
                let expected = try x.plainGatheredRows(2, indices)
                #expect(try y.isBitEqual(to: expected), "\(h) heads of \(width)")
                #expect(try y.strides() == expected.strides())
                #expect(try y.isBitEqual(to: x.gathered(2, indices)))
            }
        }
    }

    @Test(arguments: [DType.float32, .bfloat16])
    func addingRows(_ dtype: DType) throws {
        for (rows, width, chosen) in [
            (1, 8, [0]), (40, 3584, [3, 39, 0, 17]), (9, 64, [8, 2]), (5, 24, []),
        ] {
            let emulator = Emulator()
            let x = try Tensor.random([1, rows, width], 7).converted(to: dtype)
            let part = try Tensor.random([1, chosen.count, width], 8).converted(to: dtype)
            let indices = try Tensor(chosen)
            let y = try #require(
                try emulator.copy(x).fusedAddingRows(indices, part, on: emulator))
            #expect(try y.isBitEqual(to: x.plainAddingRows(indices, part)), "\(rows) x \(width)")
        }
    }
}
