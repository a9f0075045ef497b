import CFFmpeg
import Testing

@testable import VideoFrames

/// The strip-wise conversion against libswscale's of the whole picture, on every value that a picture can have.
@Suite struct PlanarRGBTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var width: Int
        var height: Int
        var area: PixelArea
        var testDescription: String { "\(area) of \(width)x\(height)" }
    }

    static let cases = [
        Case(width: 64, height: 48, area: PixelArea(columns: 0..<64, rows: 0..<48)),
        Case(width: 322, height: 182, area: PixelArea(columns: 0..<322, rows: 0..<182)),
        Case(width: 322, height: 182, area: PixelArea(columns: 71..<251, rows: 3..<181)),
        Case(width: 640, height: 360, area: PixelArea(columns: 133..<507, rows: 0..<360)),
        Case(width: 46, height: 10, area: PixelArea(columns: 45..<46, rows: 9..<10)),
    ]

    @Test(arguments: cases, [AVCOL_SPC_BT470BG, AVCOL_SPC_BT709, AVCOL_SPC_BT2020_NCL])
    func `Each value is libswscale's`(_ clip: Case, _ space: AVColorSpace) throws {
        for range in [AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG] {
            let picture = try picture(clip, space, range)
            let area = clip.area
            let converter = try RGBConverter(path: "x")
            defer { withExtendedLifetime(converter) {} }
            let (rows, stride) = try converter.convert(picture, area)
            let planar = PlanarRGB(area)
            let matrix = RGBConverter.coefficients(picture.raw.pointee)
            #expect(PlanarRGB.takes(picture.raw.pointee))
            var differences = 0
            for start in Swift.stride(from: 0, to: area.height, by: PlanarRGB.rows) {
                let strip = try #require(planar.strip(picture.raw.pointee, from: start, matrix))
                for row in 0..<min(PlanarRGB.rows, area.height - start) {
                    for x in 0..<area.width {
                        let wanted = rows + (start + row) * stride + 3 * x
                        let place = row * planar.stride + x
                        if strip.red[place] != wanted[0] { differences += 1 }
                        if strip.green[place] != wanted[1] { differences += 1 }
                        if strip.blue[place] != wanted[2] { differences += 1 }
                    }
                }
            }
            #expect(differences == 0)
        }
    }

    /// Random values, extremes among them, and flat stretches.
    private func picture(
        _ clip: Case, _ space: AVColorSpace, _ range: AVColorRange
    ) throws -> Picture {
        let picture = try Picture(for: "x")
        picture.raw.pointee.format = AV_PIX_FMT_YUV420P.rawValue
        picture.raw.pointee.width = Int32(clip.width)
        picture.raw.pointee.height = Int32(clip.height)
        picture.raw.pointee.colorspace = space
        picture.raw.pointee.color_range = range
        try #require(av_frame_get_buffer(picture.raw, 0) >= 0)
        var random = SystemRandomNumberGenerator()
        let frame = picture.raw.pointee
        let planes = [
            (frame.data.0, frame.linesize.0, clip.height),
            (frame.data.1, frame.linesize.1, clip.height / 2),
            (frame.data.2, frame.linesize.2, clip.height / 2),
        ]
        for (data, stride, height) in planes {
            for index in 0..<(Int(stride) * height) {
                let value = UInt8.random(in: 0...255, using: &random)
                data?[index] = index / 977 % 5 == 0 ? (value < 128 ? 0 : 255) : value
            }
        }
        return picture
    }
}
