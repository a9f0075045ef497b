/// The axes of a panel, and where values come to lie in it.
package struct PlotFrame: Sendable {
    package var area: PlotRect
    package var horizontal: PlotScale
    package var vertical: PlotScale

    package static let axisFont = SVGDrawing.Font(size: 11.5, color: .gray)
    package static let titleFont = SVGDrawing.Font(size: 12)

    package init(area: PlotRect, x: ClosedRange<Double>, y: ClosedRange<Double>) {
        self.area = area
        horizontal = PlotScale(values: x, start: area.x, end: area.right)
        vertical = PlotScale(values: y, start: area.bottom, end: area.y)
    }

    /// "64 frames, 500 questions"
    package static func heading(frames: Int, questions: Int) -> String {
        "\(frames) frame\(frames == 1 ? "" : "s"), "
            + "\(questions) question\(questions == 1 ? "" : "s")"
    }

    package func point(_ x: Double, _ y: Double) -> PlotPoint {
        PlotPoint(x: horizontal.pixel(x), y: vertical.pixel(y))
    }

    /// Lines across at the ticks, numbers, and what the axes mean: the vertical one's title stands over it.
    package func draw(
        on drawing: inout SVGDrawing, xTitle: String, yTitle: String, xTicks: [Double],
        yTicks: [Double]
    ) {
        for tick in yTicks {
            let y = vertical.pixel(tick)
            drawing.line(
                PlotPoint(x: area.x, y: y), PlotPoint(x: area.right, y: y), .grid, width: 0.8)
            drawing.text(
                PlotScale.text(tick), at: PlotPoint(x: area.x - 7, y: y + 4), Self.axisFont,
                anchor: .end)
        }
        let bottom = area.bottom
        drawing.line(
            PlotPoint(x: area.x, y: bottom), PlotPoint(x: area.right, y: bottom), .gray)
        for tick in xTicks {
            let x = horizontal.pixel(tick)
            drawing.line(PlotPoint(x: x, y: bottom), PlotPoint(x: x, y: bottom + 4), .gray)
            drawing.text(
                PlotScale.text(tick), at: PlotPoint(x: x, y: bottom + 17), Self.axisFont,
                anchor: .middle)
        }
        drawing.text(
            xTitle, at: PlotPoint(x: area.x + area.width / 2, y: bottom + 36), Self.titleFont,
            anchor: .middle)
        drawing.text(yTitle, at: PlotPoint(x: area.x - 26, y: area.y - 12), Self.titleFont)
    }
}
