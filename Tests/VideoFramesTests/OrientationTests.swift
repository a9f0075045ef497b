import Foundation
import Testing

@testable import VideoFrames

@Suite struct OrientationTests {
    struct Turn: Sendable, CustomTestStringConvertible {
        var file: String
        var degrees: Int
        var orientation: Orientation
        var testDescription: String { file }
    }

    static let turns: [Turn] = [
        Turn(
            file: "h264_rot90.mp4", degrees: 90,
            orientation: Orientation(transposes: true, flipsHorizontally: true)),
        Turn(
            file: "h264_rot180.mp4", degrees: 180,
            orientation: Orientation(flipsHorizontally: true, flipsVertically: true)),
        Turn(
            file: "h264_rot270.mp4", degrees: 270,
            orientation: Orientation(transposes: true, flipsVertically: true)),
        Turn(
            file: "h264_mirrored.mp4", degrees: 0, orientation: Orientation(flipsHorizontally: true)
        ),
        Turn(
            file: "h264_flipped.mp4", degrees: 180, orientation: Orientation(flipsVertically: true)),
        Turn(
            file: "h264_transposed.mp4", degrees: 270, orientation: Orientation(transposes: true)),
        Turn(
            file: "h264_transversed.mp4", degrees: 90,
            orientation: Orientation(
                transposes: true, flipsHorizontally: true, flipsVertically: true)),
    ]

    @Test(arguments: turns) func `Pictures are turned as the file says`(_ turn: Turn) throws {
        let path = try EdgeCorpus.path(turn.file)
        let frames = try FrameSampler.sample(SamplingRequest(path: path, frames: 16, side: 0))
        let isSideways = turn.degrees % 180 == 90
        #expect((frames.width, frames.height) == (isSideways ? (360, 640) : (640, 360)))
        #expect((frames.facts.width, frames.facts.height) == (frames.width, frames.height))
        #expect(frames.facts.rotation == turn.degrees)
        let codes = BarCode.codes(frames, orientation: turn.orientation)
        #expect(codes == frames.frameIndex)
    }

    @Test(arguments: turns) func `The ffmpeg program turns them the same way`(_ turn: Turn) throws {
        let path = try EdgeCorpus.path(turn.file)
        let frames = try FrameSampler.sample(SamplingRequest(path: path, frames: 1, side: 0))
        let other = try FFmpegProgram.firstFrame(of: path)
        try #require(other.count == frames.pixels.count)
        let difference = zip(other, frames.pixels).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
        #expect(difference / other.count < 3)
    }

    @Test(arguments: turns) func `Both resize filters crop the turned picture`(_ turn: Turn) throws
    {
        let path = try EdgeCorpus.path(turn.file)
        func sample(_ filter: ResizeFilter) throws -> SampledFrames {
            try FrameSampler.sample(
                SamplingRequest(path: path, frames: 1, side: 112, resize: filter))
        }
        let (exact, fast) = (try sample(.pillow), try sample(.swscale))
        #expect(exact.pixels.count == 112 * 112 * 3)
        try #require(fast.pixels.count == exact.pixels.count)
        let difference = zip(exact.pixels, fast.pixels).reduce(0) {
            $0 + abs(Int($1.0) - Int($1.1))
        }
        #expect(difference / exact.pixels.count < 4)
    }
}

enum FFmpegProgram {
    /// The first frame as the ffmpeg program shows it, packed RGB.
    static func firstFrame(of path: String) throws -> [UInt8] {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            "ffmpeg", "-loglevel", "error", "-nostdin", "-i", path, "-frames:v", "1",
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-",
        ]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return [UInt8](data)
    }
}
