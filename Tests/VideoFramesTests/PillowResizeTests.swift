import Testing

@testable import VideoFrames

@Suite struct PillowResizeTests {
    struct Reference: Decodable {
        struct Case: Decodable { let width, height, side: Int; let crc32: UInt32 }
        struct Whole: Decodable { let width, height, side: Int; let pixels: [UInt8] }
        let cases: [Case]
        let whole: Whole
    }

    /// The formula of make_resize_fixtures.py; [height, width, 3].
    static func picture(width: Int, height: Int) -> [UInt8] {
        var pixels: [UInt8] = []
        pixels.reserveCapacity(width * height * 3)
        for y in 0..<height {
            for x in 0..<width {
                let isEdge = (x / 9 + y / 7) % 5 == 0
                for c in 0..<3 {
                    let value = (x * (7 + c) + y * (13 - c) + 50 * c) ^ (x * y)
                    pixels.append(isEdge ? 255 : UInt8(truncatingIfNeeded: value))
                }
            }
        }
        return pixels
    }

    /// - Parameter padding: unused bytes at the end of each row
    static func resized(width: Int, height: Int, side: Int, padding: Int = 0) -> [UInt8] {
        let picture = picture(width: width, height: height)
        let stride = width * 3 + padding
        var rows = [UInt8](repeating: 99, count: stride * height)
        for y in 0..<height {
            rows.replaceSubrange(
                (y * stride)..<(y * stride + width * 3),
                with: picture[(y * width * 3)..<((y + 1) * width * 3)])
        }
        let resize = PillowResize(width: width, height: height, side: side)
        return [UInt8](unsafeUninitializedCapacity: side * side * 3) { target, count in
            rows.withUnsafeBufferPointer { source in
                if let source = source.baseAddress, let target = target.baseAddress {
                    let area = resize.area
                    let first = area.rows.lowerBound * stride + area.columns.lowerBound * 3
                    resize.apply(source + first, stride: stride, to: target)
                }
            }
            count = side * side * 3
        }
    }

    @Test func `Every byte of a small picture is Pillow's`() throws {
        let whole = try Fixture.decode(Reference.self, from: "resize.json").whole
        let pixels = Self.resized(width: whole.width, height: whole.height, side: whole.side)
        #expect(pixels == whole.pixels)
    }

    @Test func `Pictures of fifteen shapes are Pillow's in every byte`() throws {
        let cases = try Fixture.decode(Reference.self, from: "resize.json").cases
        #expect(cases.count == 15)
        for entry in cases {
            let pixels = Self.resized(
                width: entry.width, height: entry.height, side: entry.side, padding: 5)
            #expect(crc32(pixels) == entry.crc32, "\(entry.width)x\(entry.height) to \(entry.side)")
        }
    }

    @Test func `Full HD becomes 597 x 336, cropped from column 130`() {
        let geometry = CropGeometry(width: 1920, height: 1080, side: 336)
        #expect((geometry.width, geometry.height) == (597, 336))
        #expect((geometry.left, geometry.top) == (130, 0))
    }
}
