import TestSupport
import Testing
import Torch

/// The activation kernels, by the very launches that a GPU gets, against the plain operators.
@Suite struct FusedRowTests {
    init() throws { try LoadedTorch.load() }

    /// [R, width]: no rows, one, few; widths of one pack, of less and more than a block's turn, and wider than
    /// what the kernels hold in registers.
    private static let shapes = [
        [0, 16], [1, 8], [3, 64], [2, 4088], [5, 1048], [1, 4112], [2, 9000], [1, 20808],
    ]

    private func rows(_ shape: [Int], _ dtype: DType, _ seed: UInt64) throws -> Tensor {
        // Of very different sizes, with a row of zeros.
        let scale = try Tensor(
            (0..<shape[0]).map { $0 == 2 ? 0 : Float(8 >> $0) }, shape: [shape[0], 1])
        return try (Tensor.random(shape, seed) * scale).converted(to: dtype)
    }

    @Test(arguments: [DType.float32, .bfloat16])
    func swiGLU(_ dtype: DType) throws {
        for (i, shape) in Self.shapes.enumerated() {
            let x = try rows([shape[0], 2 * shape[1]], dtype, UInt64(i))
            for format in ActivationFormat.allCases {
                try expectSame(
                    try x.fusedSwiGLU(as: format, on: Emulator()), try x.plainSwiGLU(as: format),
                    dtype, "SwiGLU \(shape)")
            }
        }
    }

    @Test(arguments: [DType.float32, .bfloat16])
    func quickGELU(_ dtype: DType) throws {
        for (i, shape) in Self.shapes.enumerated() {
            let x = try rows(shape, dtype, UInt64(i))
            for format in ActivationFormat.allCases {
                try expectSame(
                    try x.fusedQuickGELU(as: format, on: Emulator()),
                    try x.plainQuickGELU(as: format), dtype, "quick GELU \(shape)")
            }
        }
    }

    @Test(arguments: [DType.float32, .bfloat16])
    func gelu(_ dtype: DType) throws {
        for (i, shape) in Self.shapes.enumerated() {
            let x = try rows(shape, dtype, UInt64(i))
            for format in ActivationFormat.allCases {
                try expectSame(
                    try x.fusedGELU(as: format, on: Emulator()), try x.plainGELU(as: format), dtype,
                    "GELU \(shape)", least: 2e-6)
            }
        }
    }

    @Test(arguments: [DType.float32, .bfloat16])
    func quantizedRowsAreBitEqual(_ dtype: DType) throws {
        for (i, shape) in Self.shapes.enumerated() {
            let x = try rows(shape, dtype, UInt64(i))
            let fused = try #require(try x.fusedQuantizedRows(on: Emulator()))
            let plain = try x.plainQuantizedRows()
            #expect(fused.values.shape == shape && fused.scale?.shape == [shape[0], 1])
            #expect(
                try fused.values.converted(to: .float32).values()
                    == plain.values.converted(to: .float32).values(as: Float.self), "\(shape)")
            #expect(try fused.scale?.values() == plain.scale?.values(as: Float.self))
        }
    }

    @Test func quantizedRowsKeepThreeBitsOfEveryNumber() throws {
        let x = try Tensor.random([4, 256], 5)
        let quantized = try x.plainQuantizedRows()
        let scale = try #require(quantized.scale)
        let back = try quantized.values.converted(to: .float32) * scale
        for (a, b) in zip(try x.values(as: Float.self), try back.values(as: Float.self)) {
            // Half of the last of three bits; below the smallest normal number, half a step of 2^-9 / 448.
            let allowed: Float = max(abs(a) / 16, 1.01 / (448 * 1024))
            #expect(abs(a - b) <= allowed)
        }
        let zeros = try Tensor.zeros([2, 16], .float32).plainQuantizedRows()
        #expect(try zeros.scale?.values() == [Float(1), 1])
    }

    /// Rows that are parts of wider ones, as of a buffer that holds more.
    @Test func rowsMayLieApart() throws {
        let wide = try rows([5, 96], .bfloat16, 9)
        let x = try wide.narrowed(1, from: 16, count: 64)
        try expectSame(
            try x.fusedSwiGLU(on: Emulator()), try x.plainSwiGLU(), .bfloat16, "narrowed rows")
        let middle = try rows([6, 64], .bfloat16, 10).reshaped([2, 3, 64]).narrowed(
            1, from: 1, count: 1)
        try expectSame(
            try middle.fusedGELU(as: .e4m3, on: Emulator()), try middle.plainGELU(as: .e4m3),
            .bfloat16, "middle rows")
    }

    @Test func whatTheKernelsCannotReadIsLeftToThePlainOperators() throws {
        func refuses(_ x: Tensor) throws -> Bool { try x.fusedGELU(on: Emulator()) == nil }
        let x = try Tensor.random([4, 64], 1)
        #expect(try refuses(x.converted(to: .float16)))
        #expect(try refuses(Tensor.random([4, 9], 1)))
        #expect(try refuses(x.transposed(0, 1)))
        // Starts between two packs.
        #expect(try refuses(x.narrowed(1, from: 1, count: 8)))
        // Gaps of two sizes.
        #expect(try refuses(x.reshaped([2, 2, 4, 16]).narrowed(2, from: 0, count: 3)))
        // Halves that are not whole packs.
        let halves = try Tensor.random([4, 12], 1).fusedSwiGLU(on: Emulator())
        #expect(halves == nil)
        // More than a block's shared memory holds.
        let wide = try Tensor.random([1, 32768], 1)
        let (quantized, same) = (
            try wide.fusedGELU(as: .e4m3, on: Emulator()), try wide.fusedGELU(on: Emulator())
        )
        #expect(quantized == nil && same != nil)
    }
}

/// The kernel's rows are the plain ones but for one rounding: the exponentials differ in their last place, which
/// turns a rounding to fewer bits here and there. Smaller differences than `least` are left alone: where 1 + erf
/// cancels, no digit of it can agree.
func expectSame(
    _ fused: Activations?, _ plain: Activations, _ dtype: DType, _ name: String,
    share: Double = 0.01, least: Float = 1e-30, sourceLocation: SourceLocation = #_sourceLocation
) throws {
    guard let fused else {
        Issue.record("\(name): the kernel refused it", sourceLocation: sourceLocation)
        return
    }
    guard try fused.values.dtype() == plain.values.dtype(),
        fused.values.shape == plain.values.shape,
        fused.scale?.shape == plain.scale?.shape
    else {
        Issue.record(
            "\(name): \(fused.values.shape), expected \(plain.values.shape)",
            sourceLocation: sourceLocation)
        return
    }
    let isQuantized = plain.scale != nil
    if let scale = fused.scale, let expected = plain.scale {
        let step: Float = dtype == .bfloat16 ? 1.0 / 128 : 1e-6
        for (a, b) in zip(try scale.values(as: Float.self), try expected.values(as: Float.self))
        where !(abs(a - b) <= step * b) {
            Issue.record("\(name): scale \(a), expected \(b)", sourceLocation: sourceLocation)
            return
        }
    }
    let a: [Float] = try fused.values.converted(to: .float32).values()
    let b: [Float] = try plain.values.converted(to: .float32).values()
    // One step of the format: bf16 keeps 8 bits, e4m3 4 (and 2^-9 at the least), float32 is given two of 24 bits.
    let step: Float = isQuantized ? 1.0 / 8 : dtype == .bfloat16 ? 1.0 / 128 : 1e-6
    let least = isQuantized ? 1.0 / 512 : least
    var different = 0
    for (i, (x, y)) in zip(a, b).enumerated() where x != y {
        if dtype != .float32 || isQuantized { different += 1 }
        guard abs(x - y) <= max(step * max(abs(x), abs(y)), least) else {
            Issue.record(
                "\(name): \(x) at \(i), expected \(y)", sourceLocation: sourceLocation)
            return
        }
    }
    #expect(
        Double(different) <= share * Double(a.count) + 1,
        "\(name): \(different) of \(a.count) differ",
        sourceLocation: sourceLocation)
}
