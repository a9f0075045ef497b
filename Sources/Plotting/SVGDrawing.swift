/// Builds an SVG picture on white paper out of lines, marks and text that stays text.
package struct SVGDrawing: Sendable {
    package enum Anchor: String, Sendable { case start, middle, end }

    /// One look of text.
    package struct Font: Sendable, Equatable {
        package var size: Double
        package var color: RGBColor = .ink
        package var isBold = false

        package init(size: Double, color: RGBColor = .ink, isBold: Bool = false) {
            self.size = size
            self.color = color
            self.isBold = isBold
        }
    }

    package let width: Double
    package let height: Double
    private var elements: [String] = []

    /// - Parameter title: what a screen reader says
    package init(width: Double, height: Double, title: String) {
        self.width = width
        self.height = height
        elements.append("<title>\(Self.escaped(title))</title>")
        elements.append(##"<rect width="100%" height="100%" fill="#fff"/>"##)
    }

    package var text: String {
        let size = "\(Self.number(width))\" height=\"\(Self.number(height))"
        let box = "0 0 \(Self.number(width)) \(Self.number(height))"
        let head = [
            #"<svg xmlns="http://www.w3.org/2000/svg" role="img" width="\#(size)""#,
            #"  viewBox="\#(box)" font-family="Helvetica Neue, Helvetica, Arial, sans-serif">"#,
        ]
        return (head + elements + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    package mutating func line(
        _ from: PlotPoint, _ to: PlotPoint, _ color: RGBColor, width: Double = 1,
        opacity: Double = 1, isDashed: Bool = false
    ) {
        var style = Self.stroke(color, width, opacity)
        if isDashed { style += #" stroke-dasharray="4 3""# }
        let (a, b) = (Self.pair(from, "1"), Self.pair(to, "2"))
        elements.append("<line \(a) \(b) \(style)/>")
    }

    package mutating func polyline(
        _ points: [PlotPoint], _ color: RGBColor, width: Double, opacity: Double = 1
    ) {
        elements.append(
            #"<polyline points="\#(Self.list(points))" fill="none" stroke-linejoin="round" "#
                + Self.stroke(color, width, opacity) + "/>")
    }

    /// - Parameter edge: the colour of the outline
    package mutating func polygon(
        _ points: [PlotPoint], fill: RGBColor, opacity: Double = 1, edge: RGBColor? = nil
    ) {
        elements.append(
            #"<polygon points="\#(Self.list(points))" "# + Self.fill(fill, opacity, edge) + "/>")
    }

    package mutating func rectangle(_ area: PlotRect, fill: RGBColor, opacity: Double = 1) {
        let size = #"width="\#(Self.number(area.width))" height="\#(Self.number(area.height))""#
        elements.append(
            "<rect \(Self.pair(PlotPoint(x: area.x, y: area.y), "")) \(size) "
                + Self.fill(fill, opacity, nil) + "/>")
    }

    package mutating func circle(
        _ centre: PlotPoint, radius: Double, fill: RGBColor, edge: RGBColor? = nil
    ) {
        let place = #"cx="\#(Self.number(centre.x))" cy="\#(Self.number(centre.y))""#
        elements.append(
            #"<circle \#(place) r="\#(Self.number(radius))" "# + Self.fill(fill, 1, edge) + "/>")
    }

    /// - Parameters:
    ///   - baseline: where the letters stand
    ///   - hasHalo: paper around the letters, so that lines do not run through them
    package mutating func text(
        _ text: String, at baseline: PlotPoint, _ font: Font, anchor: Anchor = .start,
        hasHalo: Bool = false
    ) {
        var style = #"font-size="\#(Self.number(font.size))" fill="\#(Self.hex(font.color))""#
        if font.isBold { style += #" font-weight="bold""# }
        if anchor != .start { style += #" text-anchor="\#(anchor.rawValue)""# }
        if hasHalo {
            style += ##" stroke="#fff" stroke-width="3" stroke-linejoin="round" "##
            style += #"paint-order="stroke""#
        }
        elements.append(
            "<text \(Self.pair(baseline, "")) \(style)>\(Self.escaped(text))</text>")
    }

    // MARK: Parts

    private static func stroke(_ color: RGBColor, _ width: Double, _ opacity: Double) -> String {
        var style = #"stroke="\#(hex(color))" stroke-width="\#(number(width))""#
        if opacity < 1 { style += #" stroke-opacity="\#(number(opacity))""# }
        return style
    }

    private static func fill(_ color: RGBColor, _ opacity: Double, _ edge: RGBColor?) -> String {
        var style = #"fill="\#(hex(color))""#
        if opacity < 1 { style += #" fill-opacity="\#(number(opacity))""# }
        if let edge { style += #" stroke="\#(hex(edge))" stroke-width="1.3""# }
        return style
    }

    private static func pair(_ point: PlotPoint, _ suffix: String) -> String {
        #"x\#(suffix)="\#(number(point.x))" y\#(suffix)="\#(number(point.y))""#
    }

    private static func list(_ points: [PlotPoint]) -> String {
        points.map { "\(number($0.x)),\(number($0.y))" }.joined(separator: " ")
    }

    private static func hex(_ color: RGBColor) -> String {
        let digits = [color.red, color.green, color.blue].map { part in
            (part < 16 ? "0" : "") + String(part, radix: 16)
        }
        return "#" + digits.joined()
    }

    /// At most two decimals, whatever the locale.
    package static func number(_ value: Double) -> String {
        let hundredths = (value * 100).rounded() / 100
        guard hundredths.isFinite, abs(hundredths) < 1e9 else { return "0" }
        return hundredths == hundredths.rounded() ? "\(Int(hundredths))" : "\(hundredths)"
    }

    /// Text of a file, where control characters have no place.
    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            default:
                let isControl = character.unicodeScalars.contains { $0.value < 32 }
                result += isControl ? " " : String(character)
            }
        }
    }

    /// About how wide text will be, in pixels. Helvetica's and Arial's widths by classes of letters, rounded
    /// up: who reads the picture may have another font.
    package static func width(of text: String, _ font: Font) -> Double {
        let ems = text.reduce(0.0) { sum, character in
            switch character {
            case "i", "j", "l", ".", ",", ":", "|", "'": sum + 0.26
            case " ", "f", "t", "r", "-", "(", ")", "/", "I": sum + 0.34
            case "m", "w", "M", "W", "%", "@": sum + 0.88
            case "A"..."Z": sum + 0.70
            default: sum + 0.56
            }
        }
        return ems * font.size * (font.isBold ? 1.08 : 1.02)
    }
}
