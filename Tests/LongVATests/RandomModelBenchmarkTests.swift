import Foundation
import TestSupport
import Testing

/// `zipvl-bench` about models that it makes up; the program is built beside the tests.
@Suite struct RandomModelBenchmarkTests {
    private struct Line: Decodable {
        let benchmark: String
        let method: String?
        let schedule: String?
        let tokens: Int?
        let runs: Int?
        let passed: Bool?
        let relative_error: Double?
        let prefill_ms_median: Double?
        let kept_token_ratio_mean: Double?
        let kept_token_ratio_rms: Double?
        let wanted_ratio_mean: Double?
        let wanted_ratio_rms: Double?
        let calibration_deviation: Double?
        let floor_ms: Double?
        let share_of_floor: Double?
        let frames: Int?
        let batch: Int?
        let vision_ms_median: Double?
        let first_token_ms_median: Double?
        let output_tokens: Int?
        let operation: String?
        let live_tensors_at_end: Int?
        let live_tensors_after_warmup: Int?
    }

    @Test func `Planted columns make zipvl keep the wanted shares at its own tau`() throws {
        let folder = try TemporaryFolder()
        let lines: [Line] = try BenchProcess.lines(
            [
                "prefill", "--shape", "tiny", "--random", "--tokens", "2304", "--plant-ratio",
                "0.421", "--schedule", "uniform,four-level", "--methods", "zipvl,zipvl:ffn=kept",
                "--runs", "1", "--roofline", "0.01",
            ], in: folder)
        let checks = lines.filter { $0.benchmark == "check" }
        #expect(checks.count == 5 && checks.allSatisfy { $0.passed == true })
        let runs = lines.filter { $0.benchmark == "prefill" }
        #expect(runs.map(\.method) == ["full"] + ["zipvl", "zipvl:ffn=kept"].flatMap { [$0, $0] })
        for run in runs.dropFirst() {
            let mean = try #require(run.kept_token_ratio_mean)
            let rms = try #require(run.kept_token_ratio_rms)
            #expect(abs(mean / (run.wanted_ratio_mean ?? 0) - 1) < 0.02)
            #expect(abs(rms / 0.421 - 1) < 0.02)
            // Layer by layer too, not in their mean alone.
            #expect((run.calibration_deviation ?? 1) < 0.02)
            #expect(run.floor_ms ?? 0 > 0 && run.share_of_floor ?? 0 > 0)
        }
        let levels = try #require(runs.last { $0.schedule == "four-level" })
        #expect(abs((levels.wanted_ratio_mean ?? 0) - 0.393) < 0.001)
        #expect(runs[0].kept_token_ratio_mean == 1)
    }

    @Test func `The tower and whole answers are timed for every number of frames`() throws {
        let folder = try TemporaryFolder()
        let vision: [Line] = try BenchProcess.lines(
            [
                "vision", "--shape", "tiny", "--random", "--frames", "3,4", "--batches", "2,4",
                "--runs", "2",
            ], in: folder)
        #expect(vision.map(\.frames) == [3, 3, 4, 4])
        #expect(vision.map(\.batch) == [2, 3, 2, 4])
        #expect(vision.allSatisfy { $0.vision_ms_median ?? 0 > 0 && $0.runs == 2 })
        let answers: [Line] = try BenchProcess.lines(
            [
                "endtoend", "--shape", "tiny", "--random", "--frames", "4", "--methods",
                "full,zipvl", "--max-new-tokens", "3", "--runs", "1",
            ], in: folder)
        #expect(answers.map(\.method) == ["full", "zipvl"])
        #expect(answers.allSatisfy { $0.output_tokens == 3 })
        #expect(answers.allSatisfy { $0.first_token_ms_median ?? 0 > 0 })
    }

    @Test func `A soak of mixed jobs keeps no tensor`() throws {
        let folder = try TemporaryFolder()
        let lines: [Line] = try BenchProcess.lines(
            [
                "soak", "--shape", "tiny", "--random", "--jobs", "24", "--frames", "6",
                "--max-new-tokens", "3",
            ], in: folder)
        let summary = try #require(lines.last)
        #expect(lines.count == 25 && summary.passed == true)
        #expect(summary.live_tensors_at_end == summary.live_tensors_after_warmup)
    }

    @Test func `Every fused operation is tried, and on the CPU is its plain twin`() throws {
        let folder = try TemporaryFolder()
        let lines: [Line] = try BenchProcess.lines(
            ["kernels", "--quick", "--rounds", "1"], in: folder)
        #expect(Set(lines.compactMap(\.operation)).count == lines.count)
        #expect(lines.count >= 21)
        #expect(lines.allSatisfy { $0.passed == true })
        // The e4m3 product of the CPU sums in another order.
        #expect(
            lines.filter { $0.operation != "linear e4m3" }.allSatisfy { $0.relative_error == 0 })
    }

    @Test func `The figure has a row for each length and a line for each method`() throws {
        let folder = try TemporaryFolder()
        let (code, output, errors) = try BenchProcess.run(
            [
                "figure6", "--shape", "tiny", "--random", "--tokens", "512,1024", "--methods",
                "full,zipvl", "--runs", "1", "--table", folder.file("figure.md"), "--plot",
                folder.file("figure.svg"),
            ], in: folder)
        #expect(code == 0, "\(errors)")
        let table = try String(contentsOfFile: folder.file("figure.md"), encoding: .utf8)
        #expect(output == Data(table.utf8))
        let rows = table.split(separator: "\n").dropFirst(2)
        #expect(rows.map { $0.split(separator: " ")[1] } == ["512", "1024"])
        // Time, ratio and peak of two methods, none of them missing.
        #expect(rows.allSatisfy { $0.split(separator: "|").count == 7 && !$0.contains("–") })
        let plot = try String(contentsOfFile: folder.file("figure.svg"), encoding: .utf8)
        #expect(plot.components(separatedBy: "<polyline").count == 5)
    }

    @Test(arguments: [
        (["prefill", "--shape", "huge"], "huge"), (["prefill", "--plant-ratio", "1.5"], "1.5"),
        (["prefill", "--methods", "zipvl:rows=some"], "zipvl:rows=some"),
        (["soak", "--jobs", "2"], "--jobs"),
    ])
    func `What cannot be measured is refused by name`(arguments: [String], word: String) throws {
        let folder = try TemporaryFolder()
        let (code, output, errors) = try BenchProcess.run(arguments, in: folder)
        #expect(code != 0 && output.isEmpty)
        #expect(errors.contains(word))
    }
}
