import Plotting

/// One panel of `TradeoffFigure`: all methods at one number of frames over one cost.
struct TradeoffPanel {
    enum Cost: CaseIterable {
        case attention, decoder

        var title: String {
            switch self {
            case .attention: "attention FLOPs, % of full attention on all visual tokens"
            case .decoder: "FLOPs of the whole decoder, % of full attention on all visual tokens"
            }
        }

        func of(_ point: TradeoffSeries.Point) -> Double {
            switch self {
            case .attention: point.attention
            case .decoder: point.decoder
            }
        }
    }

    private let row: TradeoffFigure.Row
    private let cost: Cost
    private let baseline: String
    private let frame: PlotFrame
    private let styles: [PlotStyle]

    private static let radius = 4.6
    private static let nameFont = 12.5
    private static let valueFont = 10.5

    init(row: TradeoffFigure.Row, cost: Cost, baseline: String, area: PlotRect) {
        self.row = row
        self.cost = cost
        self.baseline = baseline
        let points = row.series.flatMap(\.points) + [row.baseline].compactMap { $0 }
        frame = PlotFrame(
            area: area, x: Self.costs(points.map(cost.of)), y: Self.shares(points))
        var (lines, singles) = (0, 0)
        styles = row.series.map { series in
            if series.points.count > 1 {
                lines += 1
                return .line(lines - 1)
            }
            singles += 1
            return .single(singles - 1)
        }
    }

    /// From nothing to full attention, or to what goes beyond it.
    private static func costs(_ values: [Double]) -> ClosedRange<Double> {
        0...max(104, (values.max() ?? 0) + 3)
    }

    /// All intervals, in steps that give round numbers.
    private static func shares(_ points: [TradeoffSeries.Point]) -> ClosedRange<Double> {
        let low = points.map(\.low).min() ?? 0
        let high = points.map(\.high).max() ?? 100
        let step = PlotScale.step(over: max(high - low, 5), atMost: 6)
        let bottom = max(0, (low / step).rounded(.down) * step)
        return bottom...min(100, max(bottom + step, (high / step).rounded(.up) * step))
    }

    func draw(on drawing: inout SVGDrawing) {
        drawBand(on: &drawing)
        frame.draw(
            on: &drawing, xTitle: cost.title, yTitle: "right answers, %",
            xTicks: frame.horizontal.ticks(atMost: 10), yTicks: frame.vertical.ticks(atMost: 7))
        drawBaseline(on: &drawing)
        for (series, style) in zip(row.series, styles) { drawBars(series, style, on: &drawing) }
        for (series, style) in zip(row.series, styles) { drawMarks(series, style, on: &drawing) }
        drawLabels(on: &drawing)
    }

    private func place(_ point: TradeoffSeries.Point) -> PlotPoint {
        frame.point(cost.of(point), point.accuracy)
    }

    private func ends(_ point: TradeoffSeries.Point) -> (PlotPoint, PlotPoint) {
        (frame.point(cost.of(point), point.low), frame.point(cost.of(point), point.high))
    }

    private func drawBand(on drawing: inout SVGDrawing) {
        guard let full = row.baseline else { return }
        let (low, high) = ends(full)
        drawing.rectangle(
            PlotRect(
                x: frame.area.x, y: high.y, width: frame.area.width, height: low.y - high.y),
            fill: RGBColor(240, 240, 243))
    }

    private func drawBaseline(on drawing: inout SVGDrawing) {
        guard let full = row.baseline else { return }
        let centre = place(full)
        drawing.line(
            PlotPoint(x: frame.area.x, y: centre.y), PlotPoint(x: frame.area.right, y: centre.y),
            .ink, width: 0.9, opacity: 0.6, isDashed: true)
        let (low, high) = ends(full)
        drawing.line(low, high, .ink, width: 1.2)
        drawing.circle(centre, radius: Self.radius, fill: .ink, edge: .paper)
    }

    private func drawBars(
        _ series: TradeoffSeries, _ style: PlotStyle, on drawing: inout SVGDrawing
    ) {
        for point in series.points {
            let (low, high) = ends(point)
            drawing.line(low, high, style.color, width: 1.1, opacity: 0.4)
        }
    }

    private func drawMarks(
        _ series: TradeoffSeries, _ style: PlotStyle, on drawing: inout SVGDrawing
    ) {
        if series.points.count > 1 {
            drawing.polyline(series.points.map(place), style.color, width: 1.8)
        }
        for point in series.points { drawing.mark(style, at: place(point), radius: Self.radius) }
    }

    // MARK: Labels

    private struct Text {
        var text: String
        var font: SVGDrawing.Font
        var anchors: [PlotPoint]
        var reach: Double
    }

    private var texts: [Text] {
        var names: [Text] = []
        var values: [Text] = []
        for (series, style) in zip(row.series, styles) {
            let places = series.points.map(place)
            let name = series.knob.isEmpty ? series.name : "\(series.name) (\(series.knob))"
            let isLine = places.count > 1
            names.append(
                Text(
                    text: name,
                    font: .init(size: Self.nameFont, color: style.color, isBold: isLine),
                    anchors: places, reach: 90))
            for (point, place) in zip(series.points, places) where !point.value.isEmpty {
                values.append(
                    Text(
                        text: point.value,
                        font: .init(size: Self.valueFont, color: style.color), anchors: [place],
                        reach: 16))
            }
        }
        if let full = row.baseline {
            names.append(
                Text(
                    text: baseline, font: .init(size: Self.nameFont, isBold: true),
                    anchors: [place(full)], reach: 40))
        }
        return names + values
    }

    private func drawLabels(on drawing: inout SVGDrawing) {
        let texts = texts
        let placed = layout.place(
            texts.map { text in
                LabelLayout.Label(
                    anchors: text.anchors, width: SVGDrawing.width(of: text.text, text.font) + 4,
                    height: text.font.size * 1.15, reach: text.reach)
            })
        // Leaders first, so that no line runs through a label.
        for (text, spot) in zip(texts, placed) where spot.distance > 14 {
            drawing.line(
                spot.anchor, spot.area.nearest(to: spot.anchor), text.font.color, width: 0.8,
                opacity: 0.55)
        }
        for (text, spot) in zip(texts, placed) {
            let baseline = PlotPoint(
                x: spot.area.x + spot.area.width / 2, y: spot.area.bottom - text.font.size * 0.26)
            drawing.text(text.text, at: baseline, text.font, anchor: .middle, hasHalo: true)
        }
    }

    /// What labels keep clear of: marks most, then lines, then bars.
    private var layout: LabelLayout {
        var layout = LabelLayout(bounds: frame.area)
        let size = 2 * Self.radius + 2
        for point in row.series.flatMap(\.points) + [row.baseline].compactMap({ $0 }) {
            layout.obstacles.append(
                .init(
                    area: PlotRect(centre: place(point), width: size, height: size), weight: 20))
            let (low, high) = ends(point)
            layout.avoid(low, high, width: 3, weight: 0.25)
        }
        for series in row.series {
            let places = series.points.map(place)
            for (from, to) in zip(places, places.dropFirst()) {
                layout.avoid(from, to, width: 3, weight: 1.2)
            }
        }
        if let full = row.baseline {
            let y = place(full).y
            layout.avoid(
                PlotPoint(x: frame.area.x, y: y), PlotPoint(x: frame.area.right, y: y), width: 3,
                weight: 0.3)
        }
        return layout
    }
}
