import Plotting

/// Right answers over what they cost: for each number of frames a panel over the attention's FLOPs and one
/// over the decoder's, in percent of full attention on all visual tokens. Bars are 95 % Wilson intervals;
/// the band is the baseline's. Points that differ in numbers only are joined.
package struct TradeoffFigure: Sendable {
    /// One number of frames.
    struct Row: Sendable {
        var title: String
        var baseline: TradeoffSeries.Point?
        var series: [TradeoffSeries]
    }

    private let rows: [Row]
    private let baseline: String
    private let caption: String

    private static let width = 900.0
    private static let head = 34.0
    private static let panel = (width: 836.0, height: 310.0, gap: 76.0)
    private static let margin = 44.0

    /// - Parameter model: its name, for the caption
    package init(_ summary: EvaluationSummary, model: String) {
        var frames: [Int] = []
        for method in summary.methods where !frames.contains(method.frames) {
            frames.append(method.frames)
        }
        rows = frames.map { count in
            let methods = summary.methods.filter { $0.frames == count }
            let most = methods.map(\.answered).max() ?? 0
            return Row(
                title: PlotFrame.heading(frames: count, questions: most),
                baseline: methods.first(where: \.isBaseline).flatMap { TradeoffSeries.point($0) },
                series: TradeoffSeries.series(of: methods))
        }
        baseline = summary.baseline
        caption = "model \(model); bars and band: 95 % Wilson intervals"
    }

    package var svg: String {
        let high = 2 * (Self.panel.height + Self.panel.gap) + Self.head
        var drawing = SVGDrawing(
            width: Self.width, height: Double(rows.count) * high,
            title: "Right answers over FLOPs: " + rows.map(\.title).joined(separator: "; "))
        for (index, row) in rows.enumerated() {
            let top = Double(index) * high
            drawing.text(
                row.title, at: PlotPoint(x: Self.margin - 26, y: top + 24),
                .init(size: 15, isBold: true))
            drawing.text(
                caption, at: PlotPoint(x: Self.margin + Self.panel.width, y: top + 24),
                PlotFrame.axisFont, anchor: .end)
            for (place, cost) in TradeoffPanel.Cost.allCases.enumerated() {
                let area = PlotRect(
                    x: Self.margin,
                    y: top + Self.head + 30 + Double(place) * (Self.panel.height + Self.panel.gap),
                    width: Self.panel.width, height: Self.panel.height)
                TradeoffPanel(row: row, cost: cost, baseline: baseline, area: area)
                    .draw(on: &drawing)
            }
        }
        return drawing.text
    }
}
