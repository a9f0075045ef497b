import Plotting

/// The kept share of the prompt by layer: a line for each method, a panel for each number of frames. Bands
/// hold the middle half of the questions.
package struct LayerFigure: Sendable {
    private let panels: [[LayerRatios]]
    private let model: String

    private static let panel = (width: 300.0, height: 250.0)
    private static let margin = (left: 44.0, top: 78.0, bottom: 52.0)
    private static let valueFont = 12.0

    /// - Parameters:
    ///   - ratios: of all methods; those that keep all are left out
    ///   - model: its name, for the caption
    package init(_ ratios: [LayerRatios], model: String) {
        var frames: [Int] = []
        for ratio in ratios where !frames.contains(ratio.frames) { frames.append(ratio.frames) }
        panels = frames.map { count in
            ratios.filter { $0.frames == count && $0.isSparse }
        }.filter { !$0.isEmpty }
        self.model = model
    }

    package var svg: String {
        let names = panels.flatMap { $0.map(\.method) }
        let label = names.map { Self.width($0) }.max() ?? 0
        let wide = Self.margin.left + Self.panel.width + 20 + label
        var drawing = SVGDrawing(
            width: max(wide * Double(panels.count), 430),
            height: Self.margin.top + Self.panel.height + Self.margin.bottom,
            title: "Kept share of the prompt by layer")
        if panels.isEmpty {
            drawing.text(
                "No method chose tokens by layer.", at: PlotPoint(x: 18, y: 42),
                PlotFrame.axisFont)
        }
        for (index, ratios) in panels.enumerated() {
            let area = PlotRect(
                x: Double(index) * wide + Self.margin.left, y: Self.margin.top,
                width: Self.panel.width, height: Self.panel.height)
            draw(ratios, in: area, on: &drawing)
        }
        return drawing.text
    }

    private static func width(_ name: String) -> Double {
        SVGDrawing.width(of: name, .init(size: valueFont, isBold: true))
    }

    private func draw(_ ratios: [LayerRatios], in area: PlotRect, on drawing: inout SVGDrawing) {
        let count = ratios.map(\.layers.count).max() ?? 1
        let frame = PlotFrame(area: area, x: 0...Double(max(count - 1, 1)), y: 0...1)
        let answers = ratios.map(\.answers).max() ?? 0
        let left = area.x - 26
        drawing.text(
            PlotFrame.heading(frames: ratios[0].frames, questions: answers),
            at: PlotPoint(x: left, y: 24), .init(size: 15, isBold: true))
        drawing.text(
            "model \(model); band: middle half of the questions", at: PlotPoint(x: left, y: 42),
            PlotFrame.axisFont)
        let step = max(1, Int(PlotScale.step(over: Double(count), atMost: 8)))
        frame.draw(
            on: &drawing, xTitle: "decoder layer", yTitle: "kept share of the prompt",
            xTicks: stride(from: 0, to: count, by: step).map { Double($0) },
            yTicks: [0, 0.2, 0.4, 0.6, 0.8, 1])
        for (index, ratio) in ratios.enumerated() {
            band(ratio, PlotStyle.line(index), frame, on: &drawing)
        }
        for (index, ratio) in ratios.enumerated() {
            line(ratio, PlotStyle.line(index), frame, on: &drawing)
        }
        drawNames(ratios, frame, on: &drawing)
    }

    private func points(
        _ ratio: LayerRatios, _ frame: PlotFrame, _ value: (LayerRatios.Layer) -> Double
    ) -> [PlotPoint] {
        ratio.layers.enumerated().map { frame.point(Double($0), value($1)) }
    }

    private func band(
        _ ratio: LayerRatios, _ style: PlotStyle, _ frame: PlotFrame,
        on drawing: inout SVGDrawing
    ) {
        drawing.polygon(
            points(ratio, frame, \.high) + points(ratio, frame, \.low).reversed(),
            fill: style.color, opacity: 0.13)
    }

    private func line(
        _ ratio: LayerRatios, _ style: PlotStyle, _ frame: PlotFrame,
        on drawing: inout SVGDrawing
    ) {
        let means = points(ratio, frame, \.mean)
        drawing.polyline(means, style.color, width: 1.8)
        for point in means { drawing.mark(style, at: point, radius: 3.6) }
    }

    /// At the right end of their lines, moved apart where they would touch.
    private func drawNames(
        _ ratios: [LayerRatios], _ frame: PlotFrame, on drawing: inout SVGDrawing
    ) {
        let ends = ratios.map { ratio in
            frame.vertical.pixel(ratio.layers.last?.mean ?? 0)
        }
        let places = LabelLayout.apart(ends, by: Self.valueFont + 3, within: frame.area)
        for (index, ratio) in ratios.enumerated() {
            let color = PlotStyle.line(index).color
            let right = frame.horizontal.pixel(Double(ratio.layers.count - 1))
            drawing.line(
                PlotPoint(x: right + 5, y: ends[index]),
                PlotPoint(x: frame.area.right + 14, y: places[index]), color, width: 0.8,
                opacity: 0.55)
            drawing.text(
                ratio.method, at: PlotPoint(x: frame.area.right + 17, y: places[index] + 4),
                .init(size: Self.valueFont, color: color, isBold: true))
        }
    }
}
