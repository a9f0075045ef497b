import Foundation
import Testing

@testable import VideoFrames

/// The counts are the child's, so that tests beside this one do not change them.
@Suite struct LeakTests {
    /// Address space and resident memory in bytes.
    static func memory(_ pid: Int32) throws -> (mapped: Int, resident: Int) {
        let text = try String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8)
        let pages = text.split(separator: " ").compactMap { Int($0) }
        try #require(pages.count > 1)
        return (pages[0] * 4096, pages[1] * 4096)
    }

    static func descriptors(_ pid: Int32) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count
    }

    /// Good files of every container, damaged ones, and what is no video.
    static let files = [
        "two_frames.mp4", "zero.mp4", "h264.ts", "image.png", "trunc_nomoov.mp4", "h264.mkv",
        "audio_only.mp4", "anim.gif", "corrupt_zeros.mp4", "hevc_layers.mp4", "random.mp4",
        "vp9_altref.webm", "h264_rot90.mp4", "mpeg4_packedb.avi", "trunc.mkv", "image.jpg",
        "h264_keyless.ts", "res_change.ts", "head_zeros.mp4", "audio_cover.mp3",
    ]

    @Test func `Descriptors and memory stay flat over 2000 openings`() async throws {
        let sampler = try SamplerProcessTests.makeSampler()
        let variant = try #require(EdgeVariantTests.small.first)
        let paths = try Self.files.map { try EdgeCorpus.path($0, of: variant) }
        func round(_ number: Int) async throws -> Int {
            var answers = 0
            for path in paths {
                let request = SamplingRequest(
                    path: path, frames: 2, side: 56, resize: number % 3 == 0 ? .pillow : .swscale,
                    threads: 1 + number % 2)
                do {
                    _ = try await sampler.sample(request)
                    answers += 1
                } catch let error as VideoError {
                    try #require(error.code != .crashed && error.code != .timeout, "\(error)")
                }
            }
            return answers
        }
        for number in 0..<20 { _ = try await round(number) }
        let pid = try #require(await sampler.childProcessIdentifier)
        let (memory, open) = (try Self.memory(pid), try Self.descriptors(pid))
        for number in 0..<100 {
            // Neither only good files nor only bad ones.
            #expect(try await round(number) == 14)
        }
        #expect(await sampler.childProcessIdentifier == pid)
        #expect(try Self.descriptors(pid) == open)
        let after = try Self.memory(pid)
        // 2 KB lost with each opening would be 4 MB.
        #expect(after.resident - memory.resident < 4 << 20)
        #expect(after.mapped - memory.mapped < 64 << 20)
        await sampler.shutDown()
    }
}
