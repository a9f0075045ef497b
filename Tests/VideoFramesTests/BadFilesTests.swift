import FoundationEssentials
import Glibc
import Testing

@testable import VideoFrames

@Suite struct BadFilesTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var file: String
        var code: VideoError.Code
        var says: String
        var testDescription: String { file }
    }

    static let cases: [Case] = [
        Case(file: "zero.mp4", code: .empty, says: "zero bytes"),
        Case(file: "text.mp4", code: .notAVideo, says: "expected a video"),
        Case(file: "random.mp4", code: .notAVideo, says: "expected a video"),
        Case(file: "playlist.mp4", code: .notAVideo, says: "list"),
        Case(
            file: "trunc_nomoov.mp4", code: .moovMissing,
            says: "no moov atom: the file was cut off before its index was written"),
        Case(
            file: "trunc_moov.mp4", code: .moovMissing,
            says: "the moov atom is incomplete: the file was cut off"),
        Case(file: "audio_only.mp4", code: .noVideoStream, says: "no video stream: audio only"),
        Case(file: "audio_cover.mp3", code: .noVideoStream, says: "cover art"),
        Case(file: "h264_keyless.ts", code: .decode, says: "could be decoded"),
    ]

    @Test(arguments: cases)
    func `What is no video gives an error that says why`(_ entry: Case) throws {
        let path = try EdgeCorpus.path(entry.file)
        for isProbe in [false, true] {
            let error = #expect(throws: VideoError.self) {
                if isProbe {
                    _ = try FrameSampler.probe(path: path)
                } else {
                    _ = try FrameSampler.sample(SamplingRequest(path: path, frames: 64))
                }
            }
            #expect(error?.code == entry.code)
            #expect(error?.path == path)
            #expect(error?.message.contains(entry.says) == true, "\(error?.message ?? "")")
        }
    }

    /// The best of a few tries: others run at the same time.
    @Test(arguments: cases) func `The reason is found within 50 ms`(_ entry: Case) throws {
        let path = try EdgeCorpus.path(entry.file)
        let times = (0..<8).map { _ in
            ContinuousClock().measure { _ = try? FrameSampler.probe(path: path) }
        }
        #expect(try #require(times.min()) < .milliseconds(50))
    }

    @Test func `A missing file, a folder and a pipe are named as such, at once`() throws {
        let folder = Fixture.folder.path
        let pipe = FileManager.default.temporaryDirectory.path + "/zipvl-pipe-\(getpid())"
        mkfifo(pipe, 0o600)
        defer { unlink(pipe) }
        for (path, says) in [
            (folder + "/missing.mp4", "No such file"), (folder, "directory"), (pipe, "pipe"),
        ] {
            let error = #expect(throws: VideoError.self) { _ = try FrameSampler.probe(path: path) }
            #expect(error?.code == .unreadable)
            #expect(error?.message.contains(says) == true, "\(error?.message ?? "")")
        }
    }

    @Test func `A spent time budget ends the sampling from inside`() throws {
        let path = try EdgeCorpus.path("h264.ts")
        var limits = SamplingLimits()
        limits.time = .milliseconds(2)
        let error = #expect(throws: VideoError.self) {
            _ = try FrameSampler.sample(SamplingRequest(path: path, frames: 64), limits: limits)
        }
        #expect(error?.code == .timeout)
    }

    @Test func `Pictures, packets and results beyond the limits are refused`() throws {
        let path = try EdgeCorpus.path("h264.ts")
        var small = SamplingLimits()
        small.pixels = 640 * 359
        var short = SamplingLimits()
        short.packets = 449
        var tight = SamplingLimits()
        tight.outputBytes = 64 * 640 * 360 * 3 - 1
        for limits in [small, short, tight] {
            let error = #expect(throws: VideoError.self) {
                _ = try FrameSampler.sample(
                    SamplingRequest(path: path, frames: 64, side: 0), limits: limits)
            }
            #expect(error?.code == .tooLarge)
        }
        for (frames, side) in [(0, 336), (-1, 336), (8, -1), (Int.max, 336), (8, Int.max)] {
            let error = #expect(throws: VideoError.self) {
                _ = try FrameSampler.sample(SamplingRequest(path: path, frames: frames, side: side))
            }
            #expect(error?.code == .tooLarge)
        }
    }
}
