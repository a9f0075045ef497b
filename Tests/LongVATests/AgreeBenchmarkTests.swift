import Foundation
import TestSupport
import Testing

/// `zipvl-bench agree`, here of the CPU with itself; the program is built beside the tests.
@Suite struct AgreeBenchmarkTests {
    private struct Line: Decodable {
        let dtype: String
        let weights: String
        let method: String
        let select_bucket: Int
        let frames: Int
        let prompt_tokens: Int
        let output_tokens: Int
        let kept_in_common: Double?
        let same_ids: Bool
        let first_logit_difference: Double
        let asserted: Bool
        let passed: Bool
    }

    @Test func `The CPU agrees with itself by every method, and bfloat16 is told apart`() throws {
        let folder = try TemporaryFolder()
        let lines: [Line] = try BenchProcess.lines(
            [
                "agree", "--model", ReferenceCase.all[2].directory, "--frames", "6,20", "--clips",
                "1", "--questions", "2", "--max-new-tokens", "5", "--methods",
                "full,zipvl,zipvl-0.9,zipvl-corrected,zipvl-mixed,fixed,fastv,qk-sparse,hired,"
                    + "minference",
            ], in: folder)
        let exact = lines.filter { $0.dtype == "float32" }
        // Five of the ten methods choose tokens, by two buckets.
        #expect(exact.count == 2 * 2 * 15 && lines.count == 2 * exact.count)
        #expect(exact.allSatisfy { $0.asserted && $0.passed && $0.same_ids })
        #expect(exact.allSatisfy { $0.first_logit_difference == 0 && $0.output_tokens == 5 })
        #expect(exact.filter { $0.kept_in_common != nil }.allSatisfy { $0.kept_in_common == 1 })
        #expect(exact.filter { $0.method.hasPrefix("zipvl") }.allSatisfy { $0.kept_in_common == 1 })
        // The comparison sees what rounding does.
        let rounded = lines.filter { $0.dtype == "bfloat16" }
        #expect(rounded.allSatisfy { !$0.asserted && $0.first_logit_difference > 0 })
    }

    @Test func `Given frames, made-up weights and e4m3 are compared too`() throws {
        let folder = try TemporaryFolder()
        let side = 112
        let bytes = (0..<5 * side * side * 3).map { UInt8(truncatingIfNeeded: $0 * $0 >> 7) }
        try folder.write("frames.rgb", bytes)
        let lines: [Line] = try BenchProcess.lines(
            [
                "agree", "--shape", "tiny", "--frames-file", folder.file("frames.rgb"),
                "--questions", "1", "--max-new-tokens", "3", "--methods", "zipvl", "--weights",
                "fp8", "--select-buckets", "64", "--no-bfloat16",
            ], in: folder)
        let line = try #require(lines.first)
        #expect(lines.count == 1 && line.passed && line.kept_in_common == 1)
        #expect(line.frames == 5 && line.weights == "fp8" && line.output_tokens == 3)
        #expect(line.select_bucket == 64)
    }

    @Test(arguments: [
        (["agree", "--methods", "zipvl,half"], "half"), (["agree", "--frames", "0"], "0"),
        (["agree", "--shape", "tiny", "--model", "x"], "--shape"),
        (["agree", "--questions", "9"], "--questions"),
    ])
    func `What cannot be compared is refused by name`(arguments: [String], word: String) throws {
        let folder = try TemporaryFolder()
        let (code, output, errors) = try BenchProcess.run(arguments, in: folder)
        #expect(code != 0 && output.isEmpty)
        #expect(errors.contains(word))
    }
}
