import LongVA
import SparsePrefill

extension FrameBatch {
    /// A made-up clip: coloured rectangles that move over a still background, so that neighbouring frames share most
    /// of what they show.
    static func moving(_ count: Int, side: Int, seed: UInt64) -> FrameBatch {
        var generator = SplitMix64(seed: seed, stream: 1)
        let ground = RectangleColor(&generator)
        let rectangles = (0..<4).map { _ in MovingRectangle(side: side, &generator) }
        var pixels: [UInt8] = []
        pixels.reserveCapacity(count * side * side * 3)
        for frame in 0..<count {
            let places = rectangles.map { $0.place(frame) }
            for y in 0..<side {
                for x in 0..<side {
                    // The last one lies on top.
                    let top = rectangles.indices.last { index in
                        places[index].x.contains(x) && places[index].y.contains(y)
                    }
                    let color = top.map { rectangles[$0].color } ?? ground.shaded(x + y, 2 * side)
                    pixels += [color.red, color.green, color.blue]
                }
            }
        }
        return FrameBatch(pixels: pixels, count: count, side: side)
    }
}

private struct RectangleColor {
    let red, green, blue: UInt8

    init(_ generator: inout SplitMix64) {
        red = UInt8(generator.number(below: 256))
        green = UInt8(generator.number(below: 256))
        blue = UInt8(generator.number(below: 256))
    }

    private init(red: UInt8, green: UInt8, blue: UInt8) {
        (self.red, self.green, self.blue) = (red, green, blue)
    }

    /// Darker by up to a half, by `part` of `whole`.
    func shaded(_ part: Int, _ whole: Int) -> RectangleColor {
        func shade(_ value: UInt8) -> UInt8 {
            UInt8(Int(value) * (2 * whole - part) / (2 * whole))
        }
        return RectangleColor(red: shade(red), green: shade(green), blue: shade(blue))
    }
}

private struct MovingRectangle {
    let color: RectangleColor
    private let side, width, height: Int
    private let start, step: (x: Int, y: Int)

    init(side: Int, _ generator: inout SplitMix64) {
        self.side = side
        color = RectangleColor(&generator)
        func number(_ from: Int, _ to: Int) -> Int {
            from + generator.number(below: max(1, to - from + 1))
        }
        width = number(side / 8, side / 3)
        height = number(side / 8, side / 3)
        start = (number(0, side), number(0, side))
        step = (number(-side / 16 - 1, side / 16 + 1), number(-side / 16 - 1, side / 16 + 1))
    }

    /// Columns and rows that it covers; what leaves on one side comes back on the other.
    func place(_ frame: Int) -> (x: Range<Int>, y: Range<Int>) {
        func first(_ start: Int, _ step: Int, _ size: Int) -> Int {
            let path = side + size
            return ((start + step * frame) % path + path) % path - size
        }
        let (x, y) = (first(start.x, step.x, width), first(start.y, step.y, height))
        return (x..<x + width, y..<y + height)
    }
}
