package import Plotting

extension Canvas {
    /// Where a text stands on its point.
    package enum Anchor: Sendable { case start, middle, end }

    package enum Direction: Sendable {
        case across
        /// From below to above, as the title of an upright axis.
        case upwards
    }

    /// Length of a line in pixels.
    package static func length(of text: String, scale: Int) -> Int {
        max(0, text.count * PixelFont.advance - 1) * scale
    }

    /// Height of a line without what hangs below the base line.
    package static func lineHeight(scale: Int) -> Int { PixelFont.ascent * scale }

    /// Draws one line.
    ///
    /// - Parameters:
    ///   - x, y: the top of the line, or its left edge for upright text, and the point of the anchor along it
    ///   - scale: pixels a font pixel
    package mutating func text(
        _ text: String, x: Int, y: Int, scale: Int = 2, _ color: RGBColor = .ink,
        anchor: Anchor = .start, direction: Direction = .across
    ) {
        let length = Self.length(of: text, scale: scale)
        let shift =
            switch anchor {
            case .start: 0
            case .middle: length / 2
            case .end: length
            }
        for (index, character) in text.enumerated() {
            for row in 0..<PixelFont.height {
                for column in 0..<PixelFont.width
                where PixelFont.isSet(character, x: column, y: row) {
                    let along = (index * PixelFont.advance + column) * scale - shift
                    let dot =
                        switch direction {
                        case .across:
                            PixelRect(x: x + along, y: y + row * scale, width: scale, height: scale)
                        case .upwards:
                            PixelRect(
                                x: x + row * scale, y: y - along - scale, width: scale,
                                height: scale)
                        }
                    fill(dot, color)
                }
            }
        }
    }

    /// A text cut to a width, with two dots where something is missing.
    package static func cut(_ text: String, toWidth width: Int, scale: Int) -> String {
        if length(of: text, scale: scale) <= width { return text }
        let room = (width / scale + 1) / PixelFont.advance - 2
        return room > 0 ? text.prefix(room) + ".." : ""
    }

    /// The colours from 0 to 1 with numbers at both ends and the middle, and what they mean.
    ///
    /// - Parameter direction: `across` has the title above and the numbers below, `upwards` the title
    ///   above and the numbers to the right
    package mutating func legend(
        _ title: String, in rect: PixelRect, direction: Direction = .across, isPercent: Bool = false
    ) {
        text(title, x: rect.x, y: rect.y - Self.lineHeight(scale: 2) - 8, .gray)
        let length = direction == .across ? rect.width : rect.height
        for place in 0..<length {
            let color = ColorMap.color(Double(place) / Double(max(length - 1, 1)))
            fill(
                direction == .across
                    ? PixelRect(x: rect.x + place, y: rect.y, width: 1, height: rect.height)
                    : PixelRect(
                        x: rect.x, y: rect.y + rect.height - 1 - place, width: rect.width, height: 1
                    ),
                color)
        }
        outline(rect, .gray)
        let marks: [(Double, String, Anchor)] = [
            (0, isPercent ? "0%" : "0", .start), (0.5, isPercent ? "50%" : "0.5", .middle),
            (1, isPercent ? "100%" : "1", .end),
        ]
        for (value, label, anchor) in marks {
            if direction == .across {
                text(
                    label, x: rect.x + Int(value * Double(rect.width)),
                    y: rect.y + rect.height + 5, .gray, anchor: anchor)
            } else {
                let half = Self.lineHeight(scale: 2) / 2
                text(
                    label, x: rect.x + rect.width + 6,
                    y: rect.y + Int((1 - value) * Double(rect.height)) - half, .gray)
            }
        }
    }
}
