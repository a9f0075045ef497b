import Testing

@testable import VideoFrames

/// Files from which all of 64 uniformly spaced frames must come out exactly, without a warning.
@Suite struct ExactFramesTests {
    @Test(arguments: EdgeClip.all(of: .standard))
    func `Each of 64 frames is the one asked for`(_ clip: EdgeClip) throws {
        let path = try EdgeCorpus.path(clip.file)
        let frames = try FrameSampler.sample(SamplingRequest(path: path, frames: 64, side: 0))
        let wanted = FrameSampler.uniformIndices(total: clip.total, count: 64)
        #expect(frames.facts.frameCount == clip.total)
        #expect(frames.requestedIndex == wanted)
        #expect(frames.frameIndex == wanted)
        #expect(BarCode.codes(frames) == wanted.map(clip.code))
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

    /// As every other reader does: the model was trained on pictures that were squeezed the same way.
    @Test func `Pixels that are not square are taken as they are stored`() throws {
        let path = try EdgeCorpus.path("h264_sar.mp4")
        let frames = try FrameSampler.sample(SamplingRequest(path: path, frames: 1, side: 0))
        #expect((frames.width, frames.height) == (640, 360))
        #expect((frames.facts.width, frames.facts.height) == (640, 360))
    }

    /// Both have 450 frames; the second stream is marked as pixels of 4:3 and otherwise the same.
    @Test func `Of two video streams the default one is taken`() throws {
        let video = try OpenVideo(
            path: EdgeCorpus.path("two_video.mkv"), limits: SamplingLimits())
        #expect(video.lane.reader.stream == 0)
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
