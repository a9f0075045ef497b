/// How a line of a figure looks.
package struct PlotStyle: Sendable, Equatable {
    package enum Mark: Sendable, CaseIterable {
        case circle, square, triangle, diamond, wedge, pentagon
    }

    package var color: RGBColor
    package var mark: Mark

    /// Colours that stay apart for people who see few, and dark enough for text on paper
    /// (after Okabe and Ito, and Paul Tol).
    package static let colors = [
        RGBColor(0, 98, 160), RGBColor(200, 80, 0), RGBColor(0, 124, 92),
        RGBColor(166, 62, 130), RGBColor(122, 104, 0), RGBColor(84, 52, 150),
        RGBColor(34, 134, 178), RGBColor(136, 34, 60),
    ]

    /// The n-th line.
    package static func line(_ index: Int) -> PlotStyle {
        PlotStyle(
            color: colors[index % colors.count],
            mark: Mark.allCases[index % Mark.allCases.count])
    }

    /// The n-th method of one point, which has no line to tell it apart, but a name beside it.
    package static func single(_ index: Int) -> PlotStyle {
        PlotStyle(
            color: RGBColor(88, 90, 100), mark: Mark.allCases[index % Mark.allCases.count])
    }
}

extension SVGDrawing {
    /// A mark of about equal area, whatever its shape.
    package mutating func mark(_ style: PlotStyle, at centre: PlotPoint, radius: Double) {
        func corners(_ offsets: [(x: Double, y: Double)]) -> [PlotPoint] {
            offsets.map { PlotPoint(x: centre.x + radius * $0.x, y: centre.y + radius * $0.y) }
        }
        let shape: [(x: Double, y: Double)]
        switch style.mark {
        case .circle:
            return circle(centre, radius: radius, fill: style.color, edge: .paper)
        case .square: shape = [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]
        case .triangle: shape = [(0, -1.25), (1.15, 0.8), (-1.15, 0.8)]
        case .diamond: shape = [(0, -1.3), (1.15, 0), (0, 1.3), (-1.15, 0)]
        case .wedge: shape = [(0, 1.25), (1.15, -0.8), (-1.15, -0.8)]
        case .pentagon:
            shape = [(0, -1.15), (1.1, -0.36), (0.68, 0.94), (-0.68, 0.94), (-1.1, -0.36)]
        }
        polygon(corners(shape), fill: style.color, edge: .paper)
    }
}
