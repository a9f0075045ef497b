import TestSupport
import Testing
import Torch

/// What the emulator promises: right results, and each mistake found.
@Suite struct EmulatorTests {
    init() throws { try LoadedTorch.load() }

    private func message(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    @Test func blocksReduceTheirOwnRows() throws {
        let x = try Tensor((0..<3000).map { Float($0 % 13) }, shape: [3, 1000])
        let sums = try Emulator().output([3], .float32, beside: x)
        try Emulator.launch(
            "check_sum", grid: (3, 1, 1), block: 256, .tensor(x), .tensor(sums), .int32(1000))
        #expect(try sums.values() == x.sum([1]).values(as: Float.self))
    }

    @Test func tensorCoresMultiply() throws {
        let a = try Tensor.random([16, 16], 1).converted(to: .bfloat16)
        let b = try Tensor.random([8, 16], 2).converted(to: .bfloat16)
        let c = try Emulator().output([16, 8], .float32, beside: a)
        try Emulator.launch(
            "check_product", grid: (1, 1, 1), block: 32, .tensor(a), .tensor(b), .tensor(c))
        try expectClose(
            c, a.converted(to: .float32).matmul(b.converted(to: .float32).transposed(0, 1)),
            relative: 1e-6, "product")
    }

    @Test func e4m3RoundsAsLibtorchDoes() throws {
        let x =
            try Tensor.random([4096, 32], 3)
            * Tensor.pow(
                Tensor([Float(2)]), Tensor.random([4096, 1], 4) * 14)
        let limited = try x.clamped(to: -448...448)
        let emulated = try Emulator().output([4096, 32], .float32, beside: x)
        for row in 0..<64 {
            try Emulator.launch(
                "check_e4m3", grid: (1, 1, 1), block: 32,
                .tensor(limited.narrowed(0, from: row, count: 1)),
                .tensor(emulated.narrowed(0, from: row, count: 1)))
        }
        let expected = try limited.converted(to: .e4m3).converted(to: .float32)
        #expect(
            try emulated.narrowed(0, from: 0, count: 64).values()
                == expected.narrowed(0, from: 0, count: 64).values(as: Float.self))
    }

    @Test func threadsThatWaitForEverAreAnError() throws {
        let result = try Tensor.zeros([64], .float32)
        let text = message {
            try Emulator.launch("check_diverged", grid: (1, 1, 1), block: 64, .tensor(result))
        }
        #expect(text.contains("64 of 64 threads wait for ever"))
    }

    @Test func writingOutsideSharedMemoryIsAnError() throws {
        try Emulator.launch(
            "check_overrun", grid: (1, 1, 1), block: 64, sharedBytes: 256, .int32(0))
        let text = message {
            try Emulator.launch(
                "check_overrun", grid: (1, 1, 1), block: 64, sharedBytes: 256, .int32(1))
        }
        #expect(text.contains("wrote outside its 256 bytes"))
    }

    @Test func readingWithoutABarrierGivesNaN() throws {
        let result = try Tensor.zeros([128], .float32)
        try Emulator.launch("check_race", grid: (1, 1, 1), block: 128, .tensor(result))
        #expect(try result.values(as: Float.self).contains { $0.isNaN })
    }

    @Test func readingACopyBeforeItIsDoneGivesNaN() throws {
        let result = try Tensor.zeros([32], .float32)
        try Emulator.launch(
            "check_unwaited", grid: (1, 1, 1), block: 32, .tensor(Tensor.zeros([128], .float32)),
            .tensor(result))
        #expect(try result.values(as: Float.self).allSatisfy { $0.isNaN })
    }

    @Test func argumentsMustFitTheParameters() throws {
        let x = try Tensor.zeros([8], .float32)
        let few = message {
            try Emulator.launch("check_sum", grid: (1, 1, 1), block: 256, .tensor(x))
        }
        #expect(few.contains("takes 3 arguments, not 1"))
        let wide = message {
            try Emulator.launch(
                "check_sum", grid: (1, 1, 1), block: 256, .tensor(x), .tensor(x), .int64(8))
        }
        #expect(wide.contains("argument 2 has 8 bytes, the parameter 4"))
        let unknown = message { try Emulator.launch("nothing", grid: (1, 1, 1), block: 32) }
        #expect(unknown.contains("there is no kernel nothing"))
    }
}
