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
        // No tone mapping.
        Clip(file: "colour_hlg.mp4", space: "bt2020nc", range: "tv"),
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

    static let exact = [
        "bars_smpte170m_tv.mkv", "bars_smpte170m_pc.mkv", "bars_bt709_tv.mkv", "bars_bt709_pc.mkv",
        "bars_bt2020nc_tv.mkv", "bars_bt2020nc_pc.mkv",
    ]

    /// The bars at 1920 x 1080 without any conversion; [1080, 1920, 3].
    static let truth: [UInt8] = {
        let line = bars.flatMap { bar in (0..<240).flatMap { _ in bar.map { UInt8($0) } } }
        return (0..<1080).flatMap { _ in line }
    }()

    /// The true picture through the exact resize; [336, 336, 3].
    static let resizedTruth: [UInt8] = {
        let resize = PillowResize(width: 1920, height: 1080, side: 336)
        return [UInt8](unsafeUninitializedCapacity: 336 * 336 * 3) { target, count in
            truth.withUnsafeBufferPointer { source in
                if let source = source.baseAddress, let target = target.baseAddress {
                    let area = resize.area
                    let first = (area.rows.lowerBound * 1920 + area.columns.lowerBound) * 3
                    resize.apply(source + first, stride: 1920 * 3, to: target)
                }
            }
            count = 336 * 336 * 3
        }
    }()

    /// Mean absolute difference of all values of all pixels.
    static func error(_ pixels: [UInt8], _ truth: [UInt8]) -> Double {
        guard pixels.count == truth.count else { return .infinity }
        let sum = pixels.withUnsafeBufferPointer { pixels in
            truth.withUnsafeBufferPointer { truth in
                var sum = 0
                var index = 0
                while index < truth.count {
                    sum += abs(Int(pixels[index]) - Int(truth[index]))
                    index += 1
                }
                return sum
            }
        }
        return Double(sum) / Double(truth.count)
    }

    /// BT.601, BT.709 and BT.2020, limited and full range, by the definitions of their matrices and stored
    /// without loss: what remains is rounding, and the halved chroma of 4:2:0 where two bars meet.
    @Test func `Bars of six kinds are off by at most 0.6 in the mean over whole pictures`() throws {
        var (stored, resized) = ([Double](), [Double]())
        for file in Self.exact {
            let path = try EdgeCorpus.path(file)
            let large = try FrameSampler.sample(SamplingRequest(path: path, frames: 1, side: 0))
            let name = "bars_\(large.facts.colorSpace ?? "")_\(large.facts.colorRange ?? "").mkv"
            #expect(name == file)
            stored.append(Self.error(large.pixels, Self.truth))
            let small = try FrameSampler.sample(SamplingRequest(path: path, frames: 1))
            resized.append(Self.error(small.pixels, Self.resizedTruth))
        }
        for errors in [stored, resized] {
            #expect(errors.reduce(0, +) / 6 <= 0.6, "\(errors)")
            #expect(errors.allSatisfy { $0 <= 0.8 }, "\(errors)")
        }
    }

    @Test func `The transfer curves of HDR video are reported`() throws {
        let other = try FrameSampler.probe(path: EdgeCorpus.path("colour_hlg.mp4"))
        #expect(other.transfer == "arib-std-b67")
        #expect(other.colorSpace == "bt2020nc")
        let facts = try FrameSampler.probe(path: EdgeCorpus.path("hevc_10bit_hdr.mp4"))
        #expect(facts.transfer == "smpte2084")
        #expect(facts.colorSpace == "bt2020nc")
        #expect(facts.pixelFormat == "yuv420p10le")
        #expect(facts.codec == "hevc")
    }
}
