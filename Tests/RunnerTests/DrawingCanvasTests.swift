import Plotting
import Testing

@testable import Runner

@Suite struct DrawingCanvasTests {
    private static let red = RGBColor(200, 0, 0)

    /// The canvas as lines, `#` where it is not paper.
    private static func lines(_ canvas: Canvas) -> [String] {
        (0..<canvas.height).map { y in
            String((0..<canvas.width).map { canvas.pixel($0, y) == .paper ? "." : "#" })
        }
    }

    @Test func `A rectangle is cut off at the edges and fills what is left`() {
        var canvas = Canvas(width: 5, height: 3)
        canvas.fill(PixelRect(x: 3, y: -2, width: 9, height: 4), Self.red)
        canvas.fill(PixelRect(x: -4, y: 2, width: 5, height: 1), Self.red)
        canvas.fill(PixelRect(x: 9, y: 9, width: 2, height: 2), Self.red)
        canvas.fill(PixelRect(x: 1, y: 1, width: -1, height: 2), Self.red)
        #expect(Self.lines(canvas) == ["...##", "...##", "#...."])
    }

    @Test func `An outline is one pixel wide and lies inside`() {
        var canvas = Canvas(width: 6, height: 5)
        canvas.outline(PixelRect(x: 1, y: 1, width: 4, height: 3), Self.red)
        #expect(Self.lines(canvas) == ["......", ".####.", ".#..#.", ".####.", "......"])
    }

    @Test func `Letters stand where they are put, at their size`() {
        var canvas = Canvas(width: 12, height: 9)
        canvas.text("Lj", x: 0, y: 0, scale: 1)
        #expect(
            Self.lines(canvas) == [
                "#........#..", "#...........", "#.......##..", "#........#..", "#........#..",
                "#........#..", "#####....#..", "......#..#..", ".......##...",
            ])
        var large = Canvas(width: 10, height: 14)
        large.text("L", x: 0, y: 0, scale: 2)
        #expect(Self.lines(large)[0] == "##........")
        #expect(Self.lines(large)[11] == "##........")
        #expect(Self.lines(large)[12] == "##########")
    }

    @Test func `Upright text is the level one turned by a quarter`() {
        let text = "F7 gk"
        let (length, height) = (Canvas.length(of: text, scale: 1), PixelFont.height)
        var level = Canvas(width: length, height: height)
        level.text(text, x: 0, y: 0, scale: 1)
        var upright = Canvas(width: height, height: length)
        upright.text(text, x: 0, y: length, scale: 1, direction: .upwards)
        for y in 0..<height {
            for x in 0..<length {
                #expect(level.pixel(x, y) == upright.pixel(y, length - 1 - x))
            }
        }
    }

    @Test(arguments: [Canvas.Anchor.start, .middle, .end])
    func `An anchor says which point of a text is given`(_ anchor: Canvas.Anchor) {
        var canvas = Canvas(width: 60, height: 7)
        canvas.text("HH", x: 30, y: 0, scale: 1, anchor: anchor)
        let columns = (0..<60).filter { canvas.pixel($0, 3) != .paper }
        let expected =
            switch anchor {
            case .start: 30...40
            case .middle: 25...35
            case .end: 19...29
            }
        #expect(columns.first == expected.lowerBound)
        #expect(columns.last == expected.upperBound)
    }

    @Test func `Every printable character has a glyph of its own`() {
        let characters = (33..<127).compactMap { UnicodeScalar($0).map(Character.init) }
        #expect(Set(PixelFont.glyphs.keys) == Set(characters))
        #expect(Set(PixelFont.glyphs.values).count == characters.count)
        for (character, glyph) in PixelFont.glyphs {
            #expect(glyph.count == PixelFont.width * PixelFont.height)
            #expect(glyph.contains(true), "\(character)")
        }
        let box = (0..<PixelFont.height).map { y in
            String((0..<PixelFont.width).map { PixelFont.isSet("é", x: $0, y: y) ? "#" : "." })
        }
        #expect(box[0] == "#####" && box[3] == "#...#" && box[6] == "#####" && box[7] == ".....")
    }

    @Test func `A text that is too long is cut to its width`() {
        let width = Canvas.length(of: "123456", scale: 2)
        #expect(Canvas.cut("123456", toWidth: width, scale: 2) == "123456")
        #expect(Canvas.cut("1234567", toWidth: width, scale: 2) == "1234..")
        #expect(Canvas.cut("1234567", toWidth: 3, scale: 2) == "")
    }

    @Test func `Smaller pictures hold means, larger ones repeat`() throws {
        let pixels: [UInt8] = [0, 10, 20, 100, 30, 40, 50, 1, 2, 51, 3, 5]
        let image = try #require(RGBImage(pixels, width: 2, height: 2))
        #expect(image.scaled(toWidth: 1, height: 1).pixels == [50, 11, 17])
        let large = image.scaled(toWidth: 4, height: 2)
        #expect(large.pixels[..<12] == [0, 10, 20, 0, 10, 20, 100, 30, 40, 100, 30, 40])
        #expect(RGBImage(pixels, width: 3, height: 2) == nil)
    }

    @Test func `A picture is drawn where it is put and cut off at the edges`() throws {
        let image = try #require(RGBImage([UInt8](repeating: 7, count: 27), width: 3, height: 3))
        var canvas = Canvas(width: 4, height: 3)
        canvas.draw(image, in: PixelRect(x: 2, y: 1, width: 3, height: 3))
        canvas.draw(image, in: PixelRect(x: -2, y: -2, width: 3, height: 3))
        #expect(Self.lines(canvas) == ["#...", "..##", "..##"])
    }

    @Test func `The colour map gets lighter with every step`() {
        let luminance = (0...255).map { ColorMap.color(Double($0) / 255).luminance }
        for (darker, lighter) in zip(luminance, luminance.dropFirst()) {
            #expect(darker <= lighter)
        }
        // Eight bits hold fewer colours than steps: a few are equal to the one before.
        #expect(zip(luminance, luminance.dropFirst(3)).allSatisfy { $0 < $1 })
        #expect(luminance[0] < 0.05 && luminance[255] > 0.8)
        #expect(ColorMap.color(-1) == ColorMap.color(0) && ColorMap.color(2) == ColorMap.color(1))
    }

    @Test func `Numbers in coloured cells can be read`() {
        for step in 0...255 {
            let color = ColorMap.color(Double(step) / 255)
            let pair = [color.luminance, color.readableInk.luminance].sorted()
            // Contrast by WCAG 2; 3 is its bound for large text.
            #expect((pair[1] + 0.05) / (pair[0] + 0.05) > 4, "\(color)")
        }
    }
}
