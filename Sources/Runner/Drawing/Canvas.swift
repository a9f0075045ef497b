package import Plotting
package import VideoFrames

/// A figure that is drawn pixel by pixel. What lies outside is cut off.
package struct Canvas: Sendable {
    package private(set) var image: RGBImage

    package var width: Int { image.width }
    package var height: Int { image.height }

    package init(width: Int, height: Int) {
        image = RGBImage(width: width, height: height, filledWith: .paper)
    }

    package func pixel(_ x: Int, _ y: Int) -> RGBColor? {
        guard (0..<width).contains(x), (0..<height).contains(y) else { return nil }
        let start = (y * width + x) * 3
        return RGBColor(image.pixels[start], image.pixels[start + 1], image.pixels[start + 2])
    }

    package mutating func fill(_ rect: PixelRect, _ color: RGBColor) {
        change(rect) { _ in color }
    }

    /// Fades what is there towards a colour, by a share from 0 to 1.
    package mutating func fade(_ rect: PixelRect, to color: RGBColor, by share: Double) {
        change(rect) { $0.mixed(with: color, share) }
    }

    /// A frame of one pixel, inside the rectangle.
    package mutating func outline(_ rect: PixelRect, _ color: RGBColor) {
        let (right, bottom) = (rect.x + rect.width - 1, rect.y + rect.height - 1)
        fill(PixelRect(x: rect.x, y: rect.y, width: rect.width, height: 1), color)
        fill(PixelRect(x: rect.x, y: bottom, width: rect.width, height: 1), color)
        fill(PixelRect(x: rect.x, y: rect.y, width: 1, height: rect.height), color)
        fill(PixelRect(x: right, y: rect.y, width: 1, height: rect.height), color)
    }

    /// Draws a picture, scaled to the rectangle.
    package mutating func draw(_ picture: RGBImage, in rect: PixelRect) {
        guard rect.width > 0, rect.height > 0 else { return }
        let scaled = picture.scaled(toWidth: rect.width, height: rect.height)
        for y in max(0, -rect.y)..<max(0, -rect.y, min(rect.height, height - rect.y)) {
            let left = max(0, -rect.x)
            let count = min(rect.width, width - rect.x) - left
            guard count > 0 else { return }
            let source = (y * rect.width + left) * 3
            let target = ((rect.y + y) * width + rect.x + left) * 3
            image.pixels.replaceSubrange(
                target..<(target + count * 3), with: scaled.pixels[source..<(source + count * 3)])
        }
    }

    private mutating func change(_ rect: PixelRect, _ body: (RGBColor) -> RGBColor) {
        let columns = max(0, rect.x)..<max(0, rect.x, min(width, rect.x + rect.width))
        let rows = max(0, rect.y)..<max(0, rect.y, min(height, rect.y + rect.height))
        for y in rows {
            for x in columns {
                let start = (y * width + x) * 3
                let color = body(
                    RGBColor(
                        image.pixels[start], image.pixels[start + 1], image.pixels[start + 2]))
                image.pixels[start] = color.red
                image.pixels[start + 1] = color.green
                image.pixels[start + 2] = color.blue
            }
        }
    }

    /// - Throws: `ImageError` naming the file
    package func write(to path: String) throws(ImageError) {
        try PNGFile.write(rgb: image.pixels, width: width, height: height, to: path)
    }
}

/// A part of a canvas, in pixels from its left top corner.
package struct PixelRect: Sendable, Equatable {
    package var x: Int
    package var y: Int
    package var width: Int
    package var height: Int

    package init(x: Int, y: Int, width: Int, height: Int) {
        (self.x, self.y, self.width, self.height) = (x, y, width, height)
    }
}
