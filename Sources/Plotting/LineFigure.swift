/// Panels side by side, each with a line for each series over a common axis; names stand at the lines' right ends.
package struct LineFigure: Sendable {
    package struct Point: Sendable, Equatable {
        package var x: Double
        package var y: Double

        package init(x: Double, y: Double) {
            self.x = x
            self.y = y
        }
    }

    package struct Series: Sendable, Equatable {
        package var name: String
        package var points: [Point]

        package init(name: String, points: [Point]) {
            self.name = name
            self.points = points
        }
    }

    package struct Panel: Sendable, Equatable {
        package var xTitle: String
        package var yTitle: String
        package var series: [Series]

        package init(xTitle: String, yTitle: String, series: [Series]) {
            self.xTitle = xTitle
            self.yTitle = yTitle
            self.series = series
        }
    }

    private let title: String
    private let caption: String
    private let panels: [Panel]

    private static let panel = (width: 330.0, height: 260.0)
    private static let margin = (left: 56.0, top: 82.0, bottom: 52.0)
    private static let nameFont = 12.0

    package init(title: String, caption: String, panels: [Panel]) {
        self.title = title
        self.caption = caption
        self.panels = panels.filter { panel in panel.series.contains { !$0.points.isEmpty } }
    }

    package var svg: String {
        let names = panels.flatMap { $0.series.map { Self.width($0.name) } }.max() ?? 0
        let wide = Self.margin.left + Self.panel.width + 26 + names
        var drawing = SVGDrawing(
            width: max(wide * Double(panels.count), 430),
            height: Self.margin.top + Self.panel.height + Self.margin.bottom, title: title)
        drawing.text(title, at: PlotPoint(x: 20, y: 24), .init(size: 15, isBold: true))
        drawing.text(caption, at: PlotPoint(x: 20, y: 43), PlotFrame.axisFont)
        for (index, panel) in panels.enumerated() {
            let area = PlotRect(
                x: Double(index) * wide + Self.margin.left, y: Self.margin.top,
                width: Self.panel.width, height: Self.panel.height)
            draw(panel, in: area, on: &drawing)
        }
        return drawing.text
    }

    private static func width(_ name: String) -> Double {
        SVGDrawing.width(of: name, .init(size: nameFont, isBold: true))
    }

    private func draw(_ panel: Panel, in area: PlotRect, on drawing: inout SVGDrawing) {
        let points = panel.series.flatMap(\.points)
        let frame = PlotFrame(
            area: area, x: 0...Self.top(points.map(\.x)), y: 0...Self.top(points.map(\.y)))
        frame.draw(
            on: &drawing, xTitle: panel.xTitle, yTitle: panel.yTitle,
            xTicks: frame.horizontal.ticks(atMost: 7), yTicks: frame.vertical.ticks(atMost: 7))
        let lines = panel.series.map { series in
            series.points.map { frame.point($0.x, $0.y) }
        }
        for (index, line) in lines.enumerated() {
            let style = PlotStyle.line(index)
            drawing.polyline(line, style.color, width: 1.8)
            for point in line { drawing.mark(style, at: point, radius: 4) }
        }
        let ends = lines.map { $0.last ?? PlotPoint(x: area.right, y: area.bottom) }
        let places = LabelLayout.apart(ends.map(\.y), by: Self.nameFont + 4, within: area)
        for (index, series) in panel.series.enumerated() {
            let color = PlotStyle.line(index).color
            drawing.line(
                PlotPoint(x: ends[index].x + 6, y: ends[index].y),
                PlotPoint(x: area.right + 14, y: places[index]), color, width: 0.8, opacity: 0.55)
            drawing.text(
                series.name, at: PlotPoint(x: area.right + 17, y: places[index] + 4),
                .init(size: Self.nameFont, color: color, isBold: true))
        }
    }

    /// The next round number.
    private static func top(_ values: [Double]) -> Double {
        let most = values.max() ?? 1
        guard most > 0 else { return 1 }
        let step = PlotScale.step(over: most, atMost: 7)
        return (most / step - 1e-9).rounded(.up) * step
    }
}
