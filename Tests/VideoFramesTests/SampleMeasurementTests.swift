import ArgumentParser
import Foundation
import Testing
import VideoFrames

@testable import zipvl_bench_io

@Suite struct SampleMeasurementTests {
    private struct Line: Decodable {
        var wall_ms: Double
        var cpu_ms: Double
        var child_peak_bytes: Int?
        var frame_index: [Int]
        var width: Int
    }

    /// Runs the command in a process of its own, whose times other tests do not add to.
    private static func sample(_ options: [String]) throws -> (line: Line, pixels: [UInt8]) {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let dump = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: dump) }
        let process = Process()
        process.executableURL = URL(filePath: own).deletingLastPathComponent()
            .appending(path: "zipvl-bench-io")
        process.arguments =
            ["sample", try EdgeCorpus.path("h264_bframes.mp4"), "--frames", "32", "--runs", "1"]
            + ["--dump", dump.path] + options
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        let line = try JSONDecoder().decode(Line.self, from: text)
        return (line, [UInt8](try Data(contentsOf: dump)))
    }

    @Test func `The time of the sampling child counts, and so does its memory`() throws {
        let local = try Self.sample([])
        let remote = try Self.sample(["--child"])
        // The decoding is most of both; a measurement without the child would find a tenth.
        #expect(remote.line.cpu_ms > 0.5 * local.line.cpu_ms)
        #expect(remote.line.wall_ms > 0.3 * local.line.cpu_ms)
        // 32 frames of shared memory are part of it.
        #expect(remote.line.child_peak_bytes ?? 0 > 32 * 336 * 336 * 3)
        #expect(local.line.child_peak_bytes == nil)
        #expect(remote.pixels == local.pixels)
        #expect(remote.pixels.count == 32 * 336 * 336 * 3)
        #expect(remote.line.frame_index == FrameSampler.uniformIndices(total: 450, count: 32))
    }

    @Test func `A squash shows all of the picture, a crop its centre`() throws {
        let squashed = try Self.sample(["--geometry", "squash", "--side", "64"])
        let cropped = try Self.sample(["--resize", "swscale", "--side", "64"])
        #expect(squashed.line.width == 64)
        #expect(squashed.pixels.count == cropped.pixels.count)
        #expect(squashed.pixels != cropped.pixels)
    }

    @Test func `A child that cannot be started is an error`() async throws {
        let request = SamplingRequest(path: try EdgeCorpus.path("h264_bframes.mp4"), frames: 2)
        await #expect(throws: VideoError.self) {
            try await SampleMeasurement(
                request, childOf: "/nonexistent/sampler", timeLimit: .seconds(5))
        }
    }

    @Test(arguments: [
        ["a.mp4", "b.mp4", "--dump", "x"], ["a.mp4", "--frames", "32,64", "--dump", "x"],
        ["a.mp4", "--threads", "-1"], ["a.mp4", "--time-limit", "0"], ["a.mp4", "--frames", "0"],
        ["a.mp4", "--geometry", "stretch"],
    ])
    func `Options that cannot be met are refused`(arguments: [String]) {
        #expect(throws: (any Error).self) { try SampleCommand.parse(arguments) }
    }

    @Test func `The median of an even count is the mean of the middle two`() {
        #expect(median([9, 1, 3]) == 3)
        #expect(median([4, 1, 9, 2]) == 3)
    }
}
