import CFFmpeg
import Testing

@testable import VideoFrames

/// What can be seen of NVDEC without a card: the way back to the processor, and that the card's pixel formats
/// change nothing. With one, `zipvl-bench-io sample --hwaccel cuda --dump` compares the frames themselves.
@Suite struct HardwareDecodingTests {
    private static var hasDevice: Bool {
        if case .device = HardwareDevice.cuda() { true } else { false }
    }

    @Test func `A wish for NVDEC that cannot be met changes nothing but a warning`() throws {
        let path = try EdgeCorpus.path("h264_bframes.mp4")
        func sample(_ hardware: HardwareDecoding) throws -> SampledFrames {
            try FrameSampler.sample(
                SamplingRequest(path: path, frames: 8, side: 56, hardware: hardware))
        }
        let plain = try sample(.none)
        #expect(plain.warnings == [])
        for hardware in [HardwareDecoding.auto, .cuda] {
            let frames = try sample(hardware)
            #expect(frames.pixels == plain.pixels)
            #expect(frames.hardware == (Self.hasDevice ? .cuda : .none))
            let wants = hardware == .cuda && !Self.hasDevice
            #expect(frames.warnings.count == (wants ? 1 : 0))
            #expect(frames.warnings.allSatisfy { $0.contains("instead of NVDEC") })
        }
    }

    @Test func `Only codecs that are exact to the bit are left to a card`() {
        let exact = [AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_VP8, AV_CODEC_ID_VP9]
        for id in exact { #expect(HardwareDevice.decoder(for: id) != nil, "\(id)") }
        // libavcodec offers these as well.
        for id in [AV_CODEC_ID_AV1, AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_MPEG4, AV_CODEC_ID_MJPEG] {
            #expect(HardwareDevice.decoder(for: id) == nil, "\(id)")
        }
    }

    /// The card gives NV12 and P010 where the processor gives planes of their own.
    @Test(arguments: [
        (AV_PIX_FMT_YUV420P, AV_PIX_FMT_NV12, 1), (AV_PIX_FMT_YUV420P10LE, AV_PIX_FMT_P010LE, 2),
    ])
    func `Interleaved chroma gives the same RGB`(
        _ planar: AVPixelFormat, _ interleaved: AVPixelFormat, _ bytes: Int
    ) throws {
        let (width, height) = (320, 180)
        let whole = PixelArea(columns: 0..<width, rows: 0..<height)
        let one = try picture(planar, width, height)
        let other = try picture(interleaved, width, height)
        var random = SystemRandomNumberGenerator()
        let top: UInt16 = bytes == 1 ? 255 : 1023
        func put(_ value: UInt16, _ picture: borrowing Picture, _ plane: Int, _ x: Int, _ y: Int) {
            let data = [
                picture.raw.pointee.data.0, picture.raw.pointee.data.1, picture.raw.pointee.data.2,
            ]
            let lines = [
                picture.raw.pointee.linesize.0, picture.raw.pointee.linesize.1,
                picture.raw.pointee.linesize.2,
            ]
            let place = data[plane].map { $0 + y * Int(lines[plane]) + x * bytes }
            place?[0] = UInt8(truncatingIfNeeded: value)
            if bytes == 2 { place?[1] = UInt8(truncatingIfNeeded: value >> 8) }
        }
        // P010 keeps its ten bits at the top.
        let shift: UInt16 = bytes == 2 ? 6 : 0
        for y in 0..<height {
            for x in 0..<width {
                let value = UInt16.random(in: 0...top, using: &random)
                put(value, one, 0, x, y)
                put(value << shift, other, 0, x, y)
            }
        }
        for y in 0..<(height / 2) {
            for x in 0..<(width / 2) {
                for plane in 1...2 {
                    let value = UInt16.random(in: 0...top, using: &random)
                    put(value, one, plane, x, y)
                    put(value << shift, other, 1, 2 * x + plane - 1, y)
                }
            }
        }
        func rgb(_ picture: borrowing Picture) throws -> [UInt8] {
            let converter = try RGBConverter(path: "x")
            defer { withExtendedLifetime(converter) {} }
            let (rows, stride) = try converter.convert(picture, whole)
            return (0..<height).flatMap { y in
                Array(UnsafeBufferPointer(start: rows + y * stride, count: width * 3))
            }
        }
        let differences = zip(try rgb(one), try rgb(other)).map { abs(Int($0) - Int($1)) }
        #expect(differences.max() == 0)
    }

    private func picture(
        _ format: AVPixelFormat, _ width: Int, _ height: Int
    ) throws -> Picture {
        let picture = try Picture(for: "x")
        picture.raw.pointee.format = format.rawValue
        picture.raw.pointee.width = Int32(width)
        picture.raw.pointee.height = Int32(height)
        try #require(av_frame_get_buffer(picture.raw, 0) >= 0)
        return picture
    }
}
