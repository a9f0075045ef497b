import Testing

@testable import VideoFrames

/// What must not change the result: how many lanes decode, and how much of a picture is converted.
@Suite struct ParallelSamplingTests {
    @Test(arguments: [
        "h264_bframes.mp4", "h264_opengop.mp4", "hevc_opengop.mp4", "h264.ts", "h264.mkv",
        "mpeg2.mpg",
        "mpeg4_bframes.avi", "vp9_altref.webm", "av1.mp4", "h264_intra_refresh.mp4",
        "h264_raw.h264",
        "corrupt_zeros.mp4", "head_zeros.mp4", "trunc.mkv", "two_frames.mp4",
    ])
    func `Any number of lanes gives the same frames`(_ file: String) throws {
        let path = try EdgeCorpus.path(file)
        func sample(_ threads: Int) throws -> SampledFrames {
            try FrameSampler.sample(
                SamplingRequest(path: path, frames: 32, side: 56, threads: threads))
        }
        let one = try sample(1)
        for threads in [2, 5] {
            let several = try sample(threads)
            #expect(several.pixels == one.pixels)
            #expect(several.frameIndex == one.frameIndex)
            #expect(several.requestedIndex == one.requestedIndex)
            #expect(several.framePTSMilliseconds == one.framePTSMilliseconds)
            #expect(several.warnings == one.warnings)
            #expect(several.facts == one.facts)
            #expect(several.framesDecoded == one.framesDecoded)
        }
    }

    @Test func `Lanes work at the same time`() throws {
        let path = try EdgeCorpus.path("h264_bframes.mp4")
        let video = try OpenVideo(path: path, limits: SamplingLimits())
        let meeting = Meeting(of: 2)
        let decoding = FrameDecoding(video, threads: 2) { () throws(VideoError) in
            MeetingSink(meeting)
        }
        // Frames of two groups: each sink waits for the other.
        let ranks = try video.locate { [10, $0 - 10] }
        #expect(try decoding.run(ranks: ranks) == [])
        #expect(meeting.isComplete)
    }

    @Test func `A lane's error ends the sampling`() throws {
        let path = try EdgeCorpus.path("h264_bframes.mp4")
        let video = try OpenVideo(path: path, limits: SamplingLimits())
        let decoding = FrameDecoding(video, threads: 2) { () throws(VideoError) in
            throw VideoError(code: .other, path: path, message: "no room")
        }
        let ranks = try video.locate { FrameSampler.uniformIndices(total: $0, count: 8) }
        let error = #expect(throws: VideoError.self) { try decoding.run(ranks: ranks) }
        #expect(error?.message == "no room")
    }

    /// The crop's part of the picture is converted alone; the reference converts the whole picture.
    @Test(arguments: [
        "h264_bframes.mp4", "h264_10bit.mp4", "h264_yuv444.mp4", "odd_size.mp4", "mjpeg.avi",
        "anim.gif",
        "image.png", "vp9_altref.webm", "h264_rot90.mp4", "h264_rot180.mp4", "h264_rot270.mp4",
    ])
    func `Converting only what the crop needs changes no byte`(_ file: String) throws {
        let path = try EdgeCorpus.path(file)
        let side = 280
        let frames = try FrameSampler.sample(SamplingRequest(path: path, frames: 3, side: side))
        let whole = try FrameSampler.sample(SamplingRequest(path: path, frames: 3, side: 0))
        let resize = PillowResize(width: whole.width, height: whole.height, side: side)
        let (area, rowBytes) = (resize.area, side * side * 3)
        for row in 0..<3 {
            let origin =
                (row * whole.height + area.rows.lowerBound) * whole.width * 3
                + area.columns.lowerBound * 3
            let expected = [UInt8](unsafeUninitializedCapacity: rowBytes) { target, count in
                whole.pixels.withUnsafeBufferPointer { source in
                    if let source = source.baseAddress, let target = target.baseAddress {
                        resize.apply(source + origin, stride: whole.width * 3, to: target)
                    }
                }
                count = rowBytes
            }
            let isEqual = frames.pixels[(row * rowBytes)..<((row + 1) * rowBytes)]
                .elementsEqual(expected)
            #expect(isEqual, "row \(row)")
        }
    }
}
