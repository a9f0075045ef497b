import Testing

@testable import VideoFrames

/// The modes `time` and `keyframe`, held against what ffprobe says of times and key frames and against the
/// bar codes of what is seen.
@Suite struct SamplingModeTests {
    private static func sample(
        _ file: String, _ count: Int, _ mode: SamplingMode, side: Int = 0
    ) throws -> SampledFrames {
        try FrameSampler.sample(
            SamplingRequest(
                path: try EdgeCorpus.path(file), frames: count, side: side, mode: mode))
    }

    // MARK: time

    @Test(arguments: [1, 2, 3, 16, 64, 200])
    func `A row shows the frame that was on the screen at its time`(_ count: Int) throws {
        let frames = try Self.sample("h264_vfr.mp4", count, .time)
        // As the corpus was made: 30, then 5, then 60 frames a second.
        func begin(_ n: Int) -> Double {
            n < 150
                ? Double(n) / 30
                : n < 300 ? 5 + Double(n - 150) / 5 : 35 + Double(n - 300) / 60
        }
        let wanted = (0..<count).map { row in
            let time = count > 1 ? begin(449) * Double(row) / Double(count - 1) : 0
            // The clock ticks 90,000 times a second.
            return (0..<450).last { begin($0) <= time + 1.0 / 90_000 } ?? 0
        }
        #expect(BarCode.codes(frames) == wanted)
        #expect(frames.frameIndex == wanted)
        #expect(frames.requestedIndex == wanted)
        #expect(frames.sampling == .time)
        #expect(frames.warnings == [])
        if count == 64 { #expect(wanted != FrameSampler.uniformIndices(total: 450, count: 64)) }
    }

    @Test(
        arguments: [
            ("h264_vfr.mp4", 0), ("h264_bframes.mp4", 0), ("h264_opengop.mp4", 0),
            ("hevc_opengop.mp4", 0), ("h264_intra_refresh.mp4", 0), ("h264_frag.mp4", 0),
            ("h264_editlist.mp4", 60), ("h264_no_keys.mp4", 0), ("h264_no_keys_p.mp4", 0),
            ("h264_start5.mp4", 0), ("h264.ts", 0), ("h264_wrap.ts", 0), ("h264.mkv", 0),
            ("h264_start5.mkv", 0), ("h264.flv", 0), ("vp8_altref.webm", 0), ("anim.gif", 0),
            ("av1.mp4", 0),
        ], [2, 40])
    func `At each time the shown frame has begun and the next has not`(
        _ clip: (file: String, base: Int), _ count: Int
    ) throws {
        let frames = try Self.sample(clip.file, count, .time)
        let times = try FileProbe.packets(try EdgeCorpus.path(clip.file)).times
        let first = try #require(times.first)
        let span = Double(try #require(times.last) - first)
        #expect(BarCode.codes(frames) == frames.frameIndex.map { $0 + clip.base })
        for (row, rank) in frames.frameIndex.enumerated() {
            let time = Double(first) + span * Double(row) / Double(count - 1)
            #expect(Double(times[rank]) <= time + 1)
            if rank + 1 < times.count { #expect(Double(times[rank + 1]) > time) }
        }
        #expect(frames.frameIndex.first == 0)
        #expect(frames.frameIndex.last == times.count - 1)
        #expect(frames.warnings == [])
    }

    @Test(
        arguments: [
            "mpeg4_bframes.avi", "h264.avi", "h264_raw.h264", "h264_bframes.mp4",
            "h264_opengop.mp4", "image.png", "one_frame.mp4", "two_frames.mp4", "ten_frames.mp4",
        ], [1, 2, 7, 64])
    func `Where frames are evenly spaced or have no times it is exact`(
        _ file: String, _ count: Int
    ) throws {
        let frames = try Self.sample(file, count, .time, side: 8)
        #expect(frames.frameIndex == (try Self.sample(file, count, .exact, side: 8)).frameIndex)
    }

    /// Frames a thirtieth of a second apart on a clock of milliseconds: without a tolerance half of them would
    /// come a tick too late.
    @Test(arguments: ["h264.mkv", "h264.flv"])
    func `As many rows as frames show each frame once, though the clock rounds`(
        _ file: String
    ) throws {
        let frames = try Self.sample(file, 450, .time, side: 8)
        #expect(frames.frameIndex == Array(0..<450))
    }

    /// A clock that ticks once a frame rounds nothing, so that no frame may come early.
    @Test func `A coarse clock brings no frame forward`() {
        var table = FrameTable(
            entries: (0..<450).map {
                PacketEntry(
                    pts: $0, statedPTS: $0, dts: $0, position: $0, size: 1, isKey: true,
                    isShown: true)
            }, timeBase: 1.0 / 30)
        table.rankByTime()
        let times = UniformTimes(table, count: 64)
        let ranks = (0..<64).map { table.lastBegun(by: times.latest($0), in: 0..<450) }
        let late = zip(ranks, FrameSampler.uniformIndices(total: 450, count: 64))
            .filter { $0 != $1 }
        // 449 / 63 leaves 1/63 to 62/63 of a frame; from 15/16 on the next one counts as begun.
        #expect(late.allSatisfy { $0 == $1 + 1 })
        #expect(late.count == 3)
    }

    /// Three rows lie in three of its ten groups.
    @Test func `Only the groups that are looked at are read`() throws {
        let frames = try Self.sample("h264_vfr.mp4", 3, .time, side: 8)
        #expect(frames.packetsRead < 400)
    }

    // MARK: keyframe

    struct KeyClip: Sendable, CustomTestStringConvertible {
        var file: String
        var base = 0
        var hasTimes = true
        var testDescription: String { file }
    }

    static let keyClips = [
        KeyClip(file: "h264_bframes.mp4"), KeyClip(file: "h264_opengop.mp4"),
        KeyClip(file: "hevc_opengop.mp4"), KeyClip(file: "h264_vfr.mp4"),
        KeyClip(file: "h264_intra_refresh.mp4"), KeyClip(file: "h264_frag.mp4"),
        // Its first key frame is hidden.
        KeyClip(file: "h264_editlist.mp4", base: 60),
        KeyClip(file: "h264.ts"), KeyClip(file: "h264_wrap.ts"), KeyClip(file: "h264.mkv"),
        KeyClip(file: "h264.flv"), KeyClip(file: "vp8_altref.webm"), KeyClip(file: "av1.mp4"),
        KeyClip(file: "mpeg4_bframes.avi", hasTimes: false),
        KeyClip(file: "h264.avi", hasTimes: false),
        KeyClip(file: "h264_raw.h264", hasTimes: false),
        KeyClip(file: "mpeg2.mpg", hasTimes: false),
        // One key frame for all.
        KeyClip(file: "ten_frames.mp4"), KeyClip(file: "image.png", hasTimes: false),
        KeyClip(file: "anim.gif"),
        // Nothing but key frames.
        KeyClip(file: "mjpeg.avi", hasTimes: false),
    ]

    private static func inexact(_ frames: SampledFrames) -> String {
        let far = zip(frames.requestedIndex, frames.frameIndex).map { abs($0 - $1) }
            .filter { $0 > 0 }
        guard let most = far.max() else {
            return "sampling keyframe is inexact, though all of \(frames.count) rows show the "
                + "frame asked for"
        }
        return "sampling keyframe is inexact: \(far.count) of \(frames.count) rows show the "
            + "nearest key frame, up to \(most) frames away; \(Set(frames.frameIndex).count) "
            + "different frames in all"
    }

    @Test(arguments: keyClips, [1, 64])
    func `Each row shows the key frame nearest to the frame asked for, and says so`(
        _ clip: KeyClip, _ count: Int
    ) throws {
        let path = try EdgeCorpus.path(clip.file)
        let frames = try Self.sample(clip.file, count, .keyframe)
        let keys =
            try clip.hasTimes ? FileProbe.packets(path).keys : FileProbe.keyFrames(path)
        let wanted = FrameSampler.uniformIndices(total: frames.facts.frameCount, count: count)
        #expect(frames.requestedIndex == wanted)
        #expect(
            frames.frameIndex
                == wanted.map { rank in
                    keys.min { (abs($0 - rank), $0) < (abs($1 - rank), $1) } ?? -1
                })
        #expect(BarCode.codes(frames) == frames.frameIndex.map { $0 + clip.base })
        #expect(frames.sampling == .keyframe)
        #expect(frames.warnings == [Self.inexact(frames)])
    }

    /// Keys are 60 frames apart: 30, 90, 150 and so on lie half-way.
    @Test func `Of two equally near key frames it is the earlier`() throws {
        let frames = try Self.sample("h264_opengop.mp4", 450, .keyframe, side: 8)
        #expect(frames.requestedIndex == Array(0..<450))
        #expect(
            frames.frameIndex == (0..<450).map { min(($0 + 29) / 60 * 60, 420) })
    }

    /// One frame a row is decoded where groups are closed; open groups need no more for their key.
    @Test(arguments: ["h264_bframes.mp4", "h264_opengop.mp4", "h264.ts", "h264.mkv", "av1.mp4"])
    func `Only key frames are decoded`(_ file: String) throws {
        let frames = try Self.sample(file, 64, .keyframe, side: 8)
        #expect(frames.framesDecoded == Set(frames.frameIndex).count)
    }

    /// An index that calls every frame a key is taken at its word until decoding shows otherwise.
    @Test(arguments: ["h264_no_keys.mp4", "h264_no_keys_p.mp4", "h264_midgop.ts"])
    func `Frames that are no key frames after all are what they are said to be`(
        _ file: String
    ) throws {
        let frames = try Self.sample(file, 16, .keyframe)
        let base = file.hasSuffix(".ts") ? BarCode.codes(frames)[0] - frames.frameIndex[0] : 0
        #expect(BarCode.codes(frames) == frames.frameIndex.map { $0 + base })
        #expect(frames.warnings.contains { $0.hasPrefix("sampling keyframe is inexact") })
    }

    @Test func `A damaged key frame is replaced, and both are said`() throws {
        let frames = try Self.sample("head_zeros.mp4", 16, .keyframe)
        #expect(BarCode.codes(frames) == frames.frameIndex)
        #expect(frames.warnings.contains { $0.hasPrefix("sampling keyframe is inexact") })
        #expect(frames.warnings.contains { $0.contains("could not be read") })
    }

    // MARK: both

    /// The index gives times of groups that were read; after all are read, nothing may come out otherwise.
    @Test(
        arguments: [
            "h264_vfr.mp4", "h264_opengop.mp4", "hevc_opengop.mp4", "h264_editlist.mp4",
            "h264_no_keys_p.mp4", "h264_intra_refresh.mp4",
        ], [SamplingMode.time, .keyframe])
    func `What is chosen from a few groups is what is chosen from all`(
        _ file: String, _ mode: SamplingMode
    ) throws {
        let path = try EdgeCorpus.path(file)
        for count in [1, 2, 3, 5, 8, 13, 64, 300] {
            let few = try OpenVideo(path: path, limits: SamplingLimits())
            let all = try OpenVideo(path: path, limits: SamplingLimits())
            _ = try all.learn(Array(0..<all.table.total))
            let (some, every) = (try few.choose(count, mode), try all.choose(count, mode))
            #expect(some.shown == every.shown)
            #expect(some.requested == every.requested)
        }
    }
}
