import Foundation
import LongVA
import TestSupport
import Testing
import Torch

/// `zipvl-bench video` about given frames; the program is built beside the tests.
@Suite struct VideoBenchmarkTests {
    private struct Line: Decodable {
        let method: String
        let answer: String
        let frames: Int
        let prompt_tokens: Int
        let output_tokens: Int
        let runs: Int
        let vision_ms_median: Double
        let prefill_ms_median: Double
        let generate_ms_median: Double
        let total_ms_min: Double
        let total_ms_max: Double
    }

    @Test func `The answer about given frames is the reference's, and every stage is timed`() throws
    {
        try LoadedTorch.load()
        let reference = ReferenceCase.all[0]
        let facts = try reference.facts()
        let folder = try TemporaryFolder()
        let pixels: [UInt8] = try reference.expected().tensor("frames").values()
        try Data(pixels).write(to: URL(filePath: folder.file("frames.rgb")))
        let tokenizer = try Qwen2Tokenizer(directory: reference.directory)
        let ends = [tokenizer.imEnd, tokenizer.endOfText]
        let greedy = try reference.expected().tensor("greedy_ids_rp").values(as: Int.self)
        // The reference went on after an end token, which the program does not.
        let expected = Array(greedy.prefix { !ends.contains($0) })
        try #require(expected.count > 4)

        let (code, output, errors) = try BenchProcess.run(
            [
                "video", "--model", reference.directory, "--frames-file", folder.file("frames.rgb"),
                "--question", facts.question, "--max-new-tokens", "\(greedy.count)", "--tau", "",
                "--runs", "2",
            ], in: folder)
        #expect(code == 0, "\(errors)")
        let line = try JSONDecoder().decode(Line.self, from: output)
        #expect(line.method == "full")
        #expect(
            line.answer
                == tokenizer.decode(expected).trimmingCharacters(in: .whitespacesAndNewlines))
        #expect(line.output_tokens == expected.count)
        #expect(line.frames == facts.frames)
        #expect(
            try line.prompt_tokens == reference.expected().tensor("prompt_ids").shape[0])
        #expect(line.runs == 2)
        for stage in [line.vision_ms_median, line.prefill_ms_median, line.generate_ms_median] {
            #expect(stage > 0)
        }
        // Of two runs, a median is the mean: stage by stage they add up to the mean of the totals.
        let stages = line.vision_ms_median + line.prefill_ms_median + line.generate_ms_median
        #expect(abs(stages - (line.total_ms_min + line.total_ms_max) / 2) < 1e-6 * stages)
    }

    @Test func `A file that is no whole number of frames is refused with both sizes`() throws {
        let reference = ReferenceCase.all[0]
        let folder = try TemporaryFolder()
        let side = try reference.facts().image_side
        let bytes = side * side * 3 + 1
        try Data(count: bytes).write(to: URL(filePath: folder.file("frames.rgb")))
        let (code, output, errors) = try BenchProcess.run(
            ["video", "--model", reference.directory, "--frames-file", folder.file("frames.rgb")],
            in: folder)
        #expect(code != 0)
        #expect(output.isEmpty)
        #expect(errors.contains("\(folder.file("frames.rgb"))"))
        #expect(errors.contains("\(side * side * 3)"))
        #expect(errors.contains("\(bytes) bytes"))
    }
}
