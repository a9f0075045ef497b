import Testing

@testable import VideoFrames

/// Files from which all of 64 uniformly spaced frames must come out exactly, without a warning.
@Suite struct ExactFramesTests {
    struct Clip: Sendable, CustomTestStringConvertible {
        var file: String
        var total = 450
        /// Index, in the recording the file was cut from, of its first displayed frame.
        var base = 0
        /// The recording's length where the file joins it to itself.
        var period = Int.max
        var fps = 30.0
        var testDescription: String { file }
    }

    static let clips: [Clip] = [
        // Reference structures and codecs.
        Clip(file: "h264_bframes.mp4"), Clip(file: "h264_opengop.mp4"),
        Clip(file: "hevc_opengop.mp4"),
        Clip(file: "hevc_layers.mp4", total: 150), Clip(file: "h264_intra_refresh.mp4"),
        Clip(file: "h264_10bit.mp4"), Clip(file: "hevc_10bit_hdr.mp4"),
        Clip(file: "h264_yuv444.mp4", total: 150), Clip(file: "h264_fullrange.mp4", total: 150),
        Clip(file: "h264_interlaced.mp4", total: 150), Clip(file: "odd_size.mp4", total: 150),
        Clip(file: "vp9_altref.webm"), Clip(file: "vp8.webm"),
        Clip(file: "vp8_altref.webm", total: 150), Clip(file: "av1.mp4"),
        Clip(file: "mpeg2.mpg"), Clip(file: "mjpeg.avi", total: 150),
        Clip(file: "anim.gif", total: 60, fps: 29.95), Clip(file: "h264_sar.mp4"),
        // No presentation times.
        Clip(file: "mpeg4_bframes.avi"), Clip(file: "h264.avi"), Clip(file: "h264_raw.h264"),
        // Containers and clocks.
        Clip(file: "h264.ts"), Clip(file: "h264.mkv"), Clip(file: "h264.flv"),
        Clip(file: "h264_no_keys.mp4"), Clip(file: "h264_no_keys_p.mp4"),
        Clip(file: "h264_frag.mp4"),
        Clip(file: "h264_frag_sidx.mp4"), Clip(file: "h264_bigts.ts"),
        Clip(file: "h264_wrap.ts"), Clip(file: "h264_vfr.mp4", fps: 11.982),
        Clip(file: "h264_start5.mp4"), Clip(file: "h264_start5.mkv"),
        Clip(file: "audio_longer.mp4"), Clip(file: "audio_longer.mkv"),
        Clip(file: "cover_first.mp4"), Clip(file: "two_video.mkv"),
        Clip(file: "h264_editlist.mp4", total: 390, base: 60),
        Clip(file: "clock_restart.ts", total: 900, period: 450),
        // Fewer frames than asked for.
        Clip(file: "image.png", total: 1, fps: 25), Clip(file: "image.jpg", total: 1, fps: 25),
        Clip(file: "one_frame.mp4", total: 1), Clip(file: "two_frames.mp4", total: 2),
        Clip(file: "ten_frames.mp4", total: 10),
    ]

    @Test(arguments: clips) func `Each of 64 frames is the one asked for`(_ clip: Clip) throws {
        let path = try EdgeCorpus.path(clip.file)
        let frames = try FrameSampler.sample(SamplingRequest(path: path, frames: 64, side: 0))
        let wanted = FrameSampler.uniformIndices(total: clip.total, count: 64)
        #expect(frames.facts.frameCount == clip.total)
        #expect(frames.requestedIndex == wanted)
        #expect(frames.frameIndex == wanted)
        #expect(BarCode.codes(frames) == wanted.map { ($0 + clip.base) % clip.period })
        #expect(frames.warnings == [])
        #expect(abs(frames.facts.framesPerSecond - clip.fps) < 0.01)
        #expect(frames.framePTSMilliseconds.first == 0)
        #expect(frames.framePTSMilliseconds == frames.framePTSMilliseconds.sorted())
    }

    @Test(arguments: ["h264_bframes.mp4", "h264.ts", "h264.mkv", "hevc_opengop.mp4", "h264.avi"])
    func `Times of evenly spaced frames are their index over the rate`(_ file: String) throws {
        let path = try EdgeCorpus.path(file)
        let frames = try FrameSampler.sample(SamplingRequest(path: path, frames: 16, side: 8))
        for (index, time) in zip(frames.frameIndex, frames.framePTSMilliseconds) {
            #expect(abs(time - Double(index) * 1000 / 30) < 1.01)
        }
        #expect(abs(Double(frames.facts.durationMilliseconds) - 15_000) < 40)
    }

    @Test func `Times of unevenly spaced frames are the file's own`() throws {
        let path = try EdgeCorpus.path("h264_vfr.mp4")
        let frames = try FrameSampler.sample(SamplingRequest(path: path, frames: 64, side: 8))
        for (index, time) in zip(frames.frameIndex, frames.framePTSMilliseconds) {
            let n = Double(index)
            let seconds =
                index < 150 ? n / 30 : index < 300 ? 5 + (n - 150) / 5 : 35 + (n - 300) / 60
            #expect(abs(time - seconds * 1000) < 1)
        }
    }

    @Test(arguments: [1, 2, 7, 128, 450, 900])
    func `Any number of frames can be asked for`(_ count: Int) throws {
        let path = try EdgeCorpus.path("h264_opengop.mp4")
        let frames = try FrameSampler.sample(SamplingRequest(path: path, frames: count, side: 0))
        #expect(BarCode.codes(frames) == FrameSampler.uniformIndices(total: 450, count: count))
    }

    /// The bound is read from packet headers, the other figure counts what came out of the decoder.
    @Test(arguments: [
        ("h264_bframes.mp4", 450), ("h264_opengop.mp4", 300), ("h264.ts", 450), ("h264.mkv", 450),
        ("hevc_opengop.mp4", 250), ("mpeg2.mpg", 250), ("mpeg4_bframes.avi", 250),
    ])
    func `No more frames are decoded than any exact sampler must`(_ clip: (String, Int)) throws {
        let path = try EdgeCorpus.path(clip.0)
        let frames = try FrameSampler.sample(SamplingRequest(path: path, frames: 64, side: 8))
        #expect(frames.framesDecoded == frames.framesNeeded)
        #expect(frames.framesDecoded < clip.1)
    }

    /// 450 packets for the table where there is no index, then the first and the last group.
    @Test(arguments: [
        ("h264_bframes.mp4", 400), ("h264_frag.mp4", 650), ("h264.mkv", 650), ("h264.ts", 650),
        ("h264.flv", 650), ("mpeg2.mpg", 650), ("mpeg4_bframes.avi", 650),
    ])
    func `Seeking reads no more than the groups that are needed`(_ clip: (String, Int)) throws {
        let path = try EdgeCorpus.path(clip.0)
        let frames = try FrameSampler.sample(SamplingRequest(path: path, frames: 2, side: 8))
        #expect(frames.frameIndex == [0, 449])
        #expect(frames.packetsRead < clip.1)
    }

    @Test func `Temporal layers keep frames that only seem unreferenced`() throws {
        let path = try EdgeCorpus.path("hevc_layers.mp4")
        let frames = try FrameSampler.sample(SamplingRequest(path: path, frames: 8, side: 8))
        #expect(frames.framesDecoded == frames.framesNeeded)
        #expect(frames.framesDecoded > 120)
    }

    @Test func `Two fields in packets of their own are one frame`() {
        var pairing = FieldPairing()
        let pictures: [FieldPairing.Structure] = [
            .top, .bottom, .bottom, .top, .frame, .top, .top, .bottom, .frame, .bottom,
        ]
        let second = pictures.map { pairing.isSecond($0) }
        #expect(
            second == [
                false, true, false, true, false, false, false, true, false, false,
            ])
    }
}
