import Foundation
import Testing

@testable import VideoFrames

/// The edge corpus made with other sizes, lengths and groups of pictures: what holds for one make of a file
/// must not hold by chance.
@Suite struct EdgeVariantTests {
    /// 97 frames with a key at least every 17: few enough for every run.
    static let small = EdgeVariant("130x98/97/17").map { [$0] } ?? []
    /// More of them for a run by hand, `jobs/edge-videos.sh`.
    static let named: [EdgeVariant] = (variable ?? "").split(separator: " ").compactMap {
        EdgeVariant($0)
    }
    private static let variable = ProcessInfo.processInfo.environment["ZIPVL_EDGE_VARIANTS"]

    static func clips(_ variants: [EdgeVariant]) -> [(EdgeVariant, EdgeClip)] {
        variants.flatMap { variant in EdgeClip.all(of: variant).map { (variant, $0) } }
    }

    @Test(arguments: clips(small))
    func `Any number of frames of a small corpus is exact`(
        _ variant: EdgeVariant, _ clip: EdgeClip
    ) throws {
        try Self.checkExact(clip, of: variant)
    }

    @Test(arguments: small)
    func `Turned and damaged files of a small corpus give what is in them`(
        _ variant: EdgeVariant
    ) throws {
        try Self.checkTurned(variant)
        try Self.checkDamaged(variant)
        try Self.checkAll(variant)
    }

    @Test(
        .enabled(if: !named.isEmpty, "takes minutes: jobs/edge-videos.sh names the variants"),
        arguments: named)
    func `Other makes of the corpus are as exact as the usual one`(_ variant: EdgeVariant) throws {
        for clip in EdgeClip.all(of: variant) { try Self.checkExact(clip, of: variant) }
        try Self.checkTurned(variant)
        try Self.checkDamaged(variant)
        try Self.checkAll(variant)
    }

    private static func sample(
        _ file: String, of variant: EdgeVariant, _ count: Int
    ) throws -> SampledFrames {
        var limits = SamplingLimits()
        limits.time = .seconds(60)
        return try FrameSampler.sample(
            SamplingRequest(path: EdgeCorpus.path(file, of: variant), frames: count, side: 0),
            limits: limits)
    }

    private static func checkExact(_ clip: EdgeClip, of variant: EdgeVariant) throws {
        for count in [1, 7, 64, 128, clip.total + 3] {
            let frames = try sample(clip.file, of: variant, count)
            let wanted = FrameSampler.uniformIndices(total: clip.total, count: count)
            let label: Comment = "\(clip.file) of \(variant.testDescription), \(count) frames"
            #expect(frames.facts.frameCount == clip.total, label)
            #expect(frames.frameIndex == wanted, label)
            #expect(BarCode.codes(frames) == wanted.map(clip.code), label)
            #expect(frames.warnings == [], label)
            #expect(abs(frames.facts.framesPerSecond - clip.fps) < 0.02, label)
        }
    }

    private static func checkTurned(_ variant: EdgeVariant) throws {
        for turn in OrientationTests.turns {
            let frames = try sample(turn.file, of: variant, 16)
            let isSideways = turn.degrees % 180 == 90
            #expect(frames.width == (isSideways ? variant.height : variant.width))
            #expect(
                BarCode.codes(frames, orientation: turn.orientation) == frames.frameIndex,
                "\(turn.file) of \(variant.testDescription)")
        }
    }

    /// Frames that are said to be read are those; what could not be read is said.
    private static func checkDamaged(_ variant: EdgeVariant) throws {
        for file in ["trunc_faststart.mp4", "trunc.mkv", "corrupt_zeros.mp4", "head_zeros.mp4"] {
            // Without a later group nothing is left.
            if file == "head_zeros.mp4", variant.gop >= variant.frames / 2 { continue }
            let frames = try sample(file, of: variant, 64)
            let label: Comment = "\(file) of \(variant.testDescription)"
            let isWhole = frames.facts.frameCount == variant.frames
            let wanted = isWhole ? frames.frameIndex : DamagedFilesTests.codesByTime(frames)
            // The packet in which the damage begins may decode, with a word about it.
            let mayDiffer = frames.warnings.contains { $0.contains("concealed damage") }
            let wrong = zip(BarCode.codes(frames), wanted).filter { $0 != $1 }
            #expect(wrong.count <= (mayDiffer ? 1 : 0), label)
            #expect(frames.facts.frameCount <= variant.frames, label)
        }
        if variant.gop >= variant.frames / 2 { return }
        let begun = try sample("h264_midgop.ts", of: variant, 64)
        let codes = BarCode.codes(begun)
        let base = try #require(codes.first)
        #expect(begun.facts.frameCount == variant.frames - base)
        #expect(codes == begun.frameIndex.map { $0 + base }, "\(variant.testDescription)")
    }

    /// No file of the corpus takes long or gives anything but frames or an error with a reason.
    private static func checkAll(_ variant: EdgeVariant) throws {
        for file in try EdgeCorpus.names(of: variant) {
            do {
                let path = try EdgeCorpus.path(file, of: variant)
                let request = SamplingRequest(path: path, frames: 8, side: 56)
                let start = ContinuousClock.now
                let frames = try FrameSampler.sample(request)
                #expect(frames.pixels.count == 8 * 56 * 56 * 3)
                #expect(ContinuousClock.now - start < .seconds(20), "\(path)")
            } catch let error as VideoError {
                #expect(!error.message.isEmpty, "\(file)")
                #expect(error.code != .timeout && error.code != .other, "\(error)")
            }
        }
    }
}
