import Testing

@testable import VideoFrames

/// Files that lost something: what is left comes out, and the result says what is missing.
@Suite struct DamagedFilesTests {
    static func sample(_ name: String) throws -> (frames: SampledFrames, codes: [Int]) {
        let path = try EdgeCorpus.path(name)
        let frames = try FrameSampler.sample(SamplingRequest(path: path, frames: 64, side: 0))
        return (frames, BarCode.codes(frames))
    }

    /// What the bar codes must be by the time of each frame.
    static func codesByTime(_ frames: SampledFrames, base: Int = 0) -> [Int] {
        frames.framePTSMilliseconds.map { Int(($0 * 0.03).rounded()) + base }
    }

    @Test(arguments: ["trunc_faststart.mp4", "trunc.mkv"])
    func `A file cut short is sampled over its readable part`(_ name: String) throws {
        let (frames, codes) = try Self.sample(name)
        #expect((255..<280).contains(frames.facts.frameCount))
        #expect(codes == Self.codesByTime(frames))
        #expect(frames.frameIndex == frames.requestedIndex)
        #expect((codes.last ?? 0) >= frames.facts.frameCount - 1)
    }

    @Test func `A truncated MP4 says how much is missing`() throws {
        let (frames, _) = try Self.sample("trunc_faststart.mp4")
        let missing = 450 - frames.facts.frameCount
        #expect(frames.warnings.contains { $0.contains("\(missing) of 450 frames") })
    }

    @Test func `A zeroed region costs its frames and the rest of their group, no more`() throws {
        let (frames, codes) = try Self.sample("corrupt_zeros.mp4")
        #expect(frames.facts.frameCount == 450)
        #expect(frames.requestedIndex == FrameSampler.uniformIndices(total: 450, count: 64))
        #expect(codes == frames.frameIndex)
        let replaced = zip(frames.requestedIndex, frames.frameIndex).filter { $0 != $1 }
        #expect((5...30).contains(replaced.count))
        // The zeroes begin half way; the groups before and after are whole.
        #expect(replaced.allSatisfy { (120..<400).contains($0.0) })
        #expect(frames.warnings.contains { $0.contains("nearest readable") })
        #expect(frames.warnings.contains { $0.contains("packets are damaged") })
    }

    @Test func `Scattered wrong bytes are concealed and reported`() throws {
        let (frames, codes) = try Self.sample("corrupt_bytes.mp4")
        #expect(frames.frameIndex == FrameSampler.uniformIndices(total: 450, count: 64))
        let wrong = zip(codes, frames.frameIndex).filter { $0 != $1 }
        #expect(wrong.count <= 6)
        #expect(frames.warnings.contains { $0.contains("concealed damage") })
    }

    @Test func `Lost transport packets cost single frames, and times stay right`() throws {
        let (frames, codes) = try Self.sample("corrupt.ts")
        #expect((440...450).contains(frames.facts.frameCount))
        let wrong = zip(codes, Self.codesByTime(frames)).filter { $0 != $1 }
        #expect(wrong.count <= 3)
        #expect(frames.warnings.contains { $0.contains("damage") })
    }

    @Test func `A stream that starts within a group begins with its first key frame`() throws {
        let (frames, codes) = try Self.sample("h264_midgop.ts")
        let base = try #require(codes.first)
        #expect(frames.facts.frameCount == 450 - base)
        #expect(base > 450 / 3)
        #expect(codes == frames.frameIndex.map { $0 + base })
        #expect(frames.frameIndex == frames.requestedIndex)
        #expect(frames.warnings == [])
    }

    @Test func `When only one frame is readable it stands for all`() throws {
        let (frames, codes) = try Self.sample("all_zeros.mp4")
        #expect(Set(frames.frameIndex) == [0])
        #expect(Set(codes).count == 1)
        #expect(frames.warnings.contains { $0.contains("63 frames could not be read") })
    }

    @Test func `A video whose beginning is lost is still sampled and probed`() throws {
        let (frames, codes) = try Self.sample("head_zeros.mp4")
        #expect(codes == frames.frameIndex)
        #expect(frames.requestedIndex.first == 0)
        #expect((frames.frameIndex.first ?? 0) > 0)
        let path = try EdgeCorpus.path("head_zeros.mp4")
        #expect(try FrameSampler.probe(path: path).frameCount == 450)
    }

    /// The file restarts its bar code with the second part, at half the size.
    @Test func `A change of size in the middle loses no frame`() throws {
        let path = try EdgeCorpus.path("res_change.ts")
        let video = try OpenVideo(path: path, limits: SamplingLimits())
        let sink = try CodeSink(path)
        let decoding = FrameDecoding(video) { () throws(VideoError) in sink }
        let ranks = try video.locate { FrameSampler.uniformIndices(total: $0, count: 64) }
        #expect(try decoding.run(ranks: ranks) == [])
        #expect(sink.widths == [640, 320])
        let first = video.table.total - 150
        #expect(ranks.map { sink.codes[$0] } == ranks.map { $0 < first ? $0 : $0 - first })

        let frames = try FrameSampler.sample(SamplingRequest(path: path, frames: 16, side: 28))
        #expect(frames.frameIndex == frames.requestedIndex)
        let error = #expect(throws: VideoError.self) {
            _ = try FrameSampler.sample(SamplingRequest(path: path, frames: 16, side: 0))
        }
        #expect(error?.message.contains("320x180") == true)
    }

    /// Reads the bar codes at each frame's own size.
    private final class CodeSink: FrameSink {
        private let converter: RGBConverter
        var codes: [Int: Int] = [:]
        var widths: Set<Int> = []

        init(_ path: String) throws(VideoError) { converter = try RGBConverter(path: path) }

        func take(_ picture: borrowing Picture, rank: Int) throws(VideoError) {
            let facts = PictureFacts(picture, orientation: Orientation())
            let whole = PixelArea(columns: 0..<facts.width, rows: 0..<facts.height)
            let (rows, stride) = try converter.convert(picture, whole)
            widths.insert(facts.width)
            codes[rank] = BarCode.read(
                rows, stride: stride, width: facts.width, height: facts.height)
        }
    }
}
