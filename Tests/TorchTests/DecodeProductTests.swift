import TestSupport
import Testing
import Torch

/// The matrix times vector kernels of a decoding step, run by the emulator, against plain operators.
@Suite struct DecodeProductTests {
    private let target = DecodeTarget(emulatedMultiprocessors: 2)

    init() throws { try LoadedTorch.load() }

    private struct Case {
        let rows: Int
        let columns: Int
        let sequences: Int
        let isQuantized: Bool
    }

    /// Fewer columns than one round of a block, more than stand in shared memory at a time, tiles that are not full.
    private static let cases = [(48, 384), (40, 1552), (80, 4624), (8, 16)].flatMap { size in
        [1, 2, 5, 8].flatMap { sequences in
            [false, true].map {
                Case(
                    rows: size.0, columns: size.1, sequences: sequences, isQuantized: $0)
            }
        }
    }

    private func bf16(_ shape: [Int], _ seed: UInt64, scale: Float = 1) throws -> Tensor {
        try (Tensor.random(shape, seed) * scale).converted(to: .bfloat16)
    }

    /// The matrix as the kernel reads it, and what it stands for in float32.
    private func matrix(_ c: Case, bias: Tensor? = nil) throws -> (DecodeMatrix, Tensor) {
        let weight = try bf16([c.rows, c.columns], 1, scale: 2 / Float(c.columns).squareRoot())
        guard c.isQuantized else {
            return (
                DecodeMatrix(weight: weight, bias: bias), try weight.converted(to: .float32)
            )
        }
        let rows = try weight.plainQuantizedRows()
        let scale = try #require(rows.scale)
        return (
            DecodeMatrix(weight: rows.values, scale: scale, bias: bias),
            try rows.values.converted(to: .float32) * scale
        )
    }

    private func product(_ x: Tensor, _ weight: Tensor, _ bias: Tensor? = nil) throws -> Tensor {
        try x.converted(to: .float32).linear(weight, bias?.converted(to: .float32))
            .converted(to: .bfloat16)
    }

    @Test func productOfTheNormedRows() throws {
        for c in Self.cases {
            let bias = try bf16([c.rows], 2)
            let (matrix, wide) = try matrix(c, bias: bias)
            let norm = try RMSNorm(weight: bf16([c.columns], 3), epsilon: 1e-6)
            let x = try bf16([c.sequences, c.columns], 4, scale: 3)
            let emulator = Emulator()
            let y = try emulator.output([c.sequences, c.rows], .bfloat16, beside: x)
            try target.product(
                matrix, x, DecodeNorm(norm, epsilon: 1e-6), into: y, on: emulator)
            try expectClose(
                y.converted(to: .float32),
                product(norm.plain(x).values, wide, bias).converted(to: .float32),
                relative: 1 / 128, "\(c)")
        }
    }

    @Test func productAddedToTheResidual() throws {
        for c in Self.cases {
            let (matrix, wide) = try matrix(c)
            let x = try bf16([c.sequences, c.columns], 5)
            let residual = try bf16([c.sequences, c.rows], 6)
            let emulator = Emulator()
            let y = try emulator.copy(residual)
            try target.addProduct(matrix, x, to: y, on: emulator)
            try expectClose(
                y.converted(to: .float32),
                (residual + product(x, wide)).converted(to: .float32), relative: 1 / 128, "\(c)")
        }
    }

    @Test func gatedProduct() throws {
        for c in Self.cases where c.rows % 16 == 0 {
            let (matrix, wide) = try matrix(c)
            let norm = try RMSNorm(weight: bf16([c.columns], 3), epsilon: 1e-6)
            let x = try bf16([c.sequences, c.columns], 4)
            let emulator = Emulator()
            let y = try emulator.output([c.sequences, c.rows / 2], .bfloat16, beside: x)
            try target.swiGLUProduct(
                matrix, x, DecodeNorm(norm, epsilon: 1e-6), into: y, on: emulator)
            let both = try product(norm.plain(x).values, wide)
            let gate = try both.narrowed(1, from: 0, count: c.rows / 2).silu()
            try expectClose(
                y.converted(to: .float32),
                (gate * both.narrowed(1, from: c.rows / 2, count: c.rows / 2))
                    .converted(to: .float32), relative: 1 / 64, "\(c)")
        }
    }

    @Test func whatIsAskedForAheadChangesNothing() throws {
        var tuning = DecodeTuning()
        tuning.prefetchBytes = 1 << 16
        let asking = DecodeTarget(emulatedMultiprocessors: 2, tuning: tuning)
        for isQuantized in [false, true] {
            let sizes = [(rows: 40, columns: 1552), (rows: 80, columns: 16)]
            let matrices = try sizes.map {
                try matrix(
                    Case(
                        rows: $0.rows, columns: $0.columns, sequences: 1, isQuantized: isQuantized)
                ).0
            }
            let x = try bf16([1, 1552], 5)
            func product(_ target: DecodeTarget, _ next: NextMatrix?) throws -> [Float] {
                let y = try Tensor.zeros([1, 40], .bfloat16)
                try target.addProduct(matrices[0], x, to: y, next: next, on: Emulator())
                return try y.converted(to: .float32).values()
            }
            let alone = try product(target, nil)
            for isGated in [false, true] {
                let next = NextMatrix(matrices[1], isGated: isGated)
                #expect(try product(asking, next) == alone)
            }
            #expect(try product(asking, NextMatrix(matrices[0])) == alone)
        }
    }

    @Test func aSequenceGetsTheSameBitsAloneAndTogether() throws {
        for isQuantized in [false, true] {
            let c = Case(rows: 80, columns: 4624, sequences: 8, isQuantized: isQuantized)
            let (matrix, _) = try matrix(c)
            let norm = DecodeNorm(
                try RMSNorm(weight: bf16([c.columns], 3), epsilon: 1e-6), epsilon: 1e-6)
            let x = try bf16([8, c.columns], 7)
            func product(_ x: Tensor) throws -> Tensor {
                let y = try Tensor.zeros([x.shape[0], c.rows], .bfloat16)
                try target.product(matrix, x, norm, into: y, on: Emulator())
                return try y.converted(to: .float32)
            }
            let together: [Float] = try product(x).values()
            for sequence in 0..<8 {
                let alone: [Float] = try product(x.narrowed(0, from: sequence, count: 1)).values()
                #expect(alone == Array(together[sequence * c.rows..<(sequence + 1) * c.rows]))
            }
        }
    }
}
