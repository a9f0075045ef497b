import Plotting

/// An RGB picture in memory.
package struct RGBImage: Sendable, Equatable {
    package let width: Int
    package let height: Int
    /// [height, width, 3], row-major
    package var pixels: [UInt8]

    /// - Returns: nil when the bytes do not fit the size
    package init?(_ pixels: [UInt8], width: Int, height: Int) {
        guard width > 0, height > 0, pixels.count == width * height * 3 else { return nil }
        (self.pixels, self.width, self.height) = (pixels, width, height)
    }

    init(width: Int, height: Int, filledWith color: RGBColor) {
        (self.width, self.height) = (max(width, 1), max(height, 1))
        pixels = []
        pixels.reserveCapacity(self.width * self.height * 3)
        for _ in 0..<self.width * self.height {
            pixels.append(color.red)
            pixels.append(color.green)
            pixels.append(color.blue)
        }
    }

    /// The picture at another size: means of the pixels that fall together, or repeated ones.
    package func scaled(toWidth newWidth: Int, height newHeight: Int) -> RGBImage {
        if newWidth == width && newHeight == height { return self }
        var result = RGBImage(width: newWidth, height: newHeight, filledWith: .paper)
        let columns = (0..<result.width).map { Self.source($0, of: result.width, in: width) }
        for y in 0..<result.height {
            let rows = Self.source(y, of: result.height, in: height)
            for (x, columns) in columns.enumerated() {
                let count = rows.count * columns.count
                for channel in 0..<3 {
                    var sum = 0
                    for row in rows {
                        for column in columns {
                            sum += Int(pixels[(row * width + column) * 3 + channel])
                        }
                    }
                    result.pixels[(y * result.width + x) * 3 + channel] =
                        UInt8((sum + count / 2) / count)
                }
            }
        }
        return result
    }

    private static func source(_ index: Int, of count: Int, in length: Int) -> Range<Int> {
        let start = index * length / count
        return start..<max(start + 1, (index + 1) * length / count)
    }
}
