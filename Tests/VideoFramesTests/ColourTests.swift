import Testing

@testable import VideoFrames

/// Eight bars of known RGB, written with each matrix and range.
@Suite struct ColourTests {
    static let bars: [[Int]] = [
        [191, 191, 191], [191, 191, 0], [0, 191, 191], [0, 191, 0], [191, 0, 191], [191, 0, 0],
        [0, 0, 191], [32, 64, 96],
    ]

    struct Clip: Sendable, CustomTestStringConvertible {
        var file: String
        var space: String?
        var range: String?
        var testDescription: String { file }
    }

    @Test(arguments: [
        Clip(file: "colour_bt709.mp4", space: "bt709", range: "tv"),
        Clip(file: "colour_bt601.mp4", space: "smpte170m", range: "tv"),
        Clip(file: "colour_bt2020.mp4", space: "bt2020nc", range: "tv"),
        Clip(file: "colour_full.mp4", space: "bt709", range: "pc"),
        Clip(file: "colour_full10.mp4", space: "bt709", range: "pc"),
        Clip(file: "colour_444.mp4", space: "bt709", range: "tv"),
        Clip(file: "colour_unstated.mp4"),
    ])
    func `Colours come out as they went in`(_ clip: Clip) throws {
        let path = try EdgeCorpus.path(clip.file)
        let frames = try FrameSampler.sample(SamplingRequest(path: path, frames: 1, side: 0))
        #expect(frames.facts.colorSpace == clip.space)
        #expect(frames.facts.colorRange == clip.range)
        for (number, bar) in Self.bars.enumerated() {
            for channel in 0..<3 {
                let x = number * 80 + 40
                let value = Int(frames.pixels[(180 * frames.width + x) * 3 + channel])
                #expect(abs(value - bar[channel]) <= 2, "bar \(number), channel \(channel)")
            }
        }
    }

    @Test func `The transfer curve of HDR video is reported`() throws {
        let facts = try FrameSampler.probe(path: EdgeCorpus.path("hevc_10bit_hdr.mp4"))
        #expect(facts.transfer == "smpte2084")
        #expect(facts.colorSpace == "bt2020nc")
        #expect(facts.pixelFormat == "yuv420p10le")
        #expect(facts.codec == "hevc")
    }
}
