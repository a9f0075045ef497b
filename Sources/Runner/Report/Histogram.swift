import Plotting

/// Counts of values in bins of round width, one series a method.
struct Histogram {
    /// Left end of the first bin.
    let start: Double
    let width: Double
    /// By series, then by bin.
    let counts: [[Int]]
    /// Of all values.
    let median: Double

    var bins: Int { counts.first?.count ?? 0 }
    var end: Double { start + width * Double(bins) }

    /// `nil` without values.
    ///
    /// - Parameter series: values that are not finite are left out
    init?(_ series: [[Double]], atMost most: Int = 24) {
        let series = series.map { $0.filter(\.isFinite) }
        let all = series.flatMap { $0 }
        guard let low = all.min(), let high = all.max(),
            let median = PairedStatistics.median(all)
        else { return nil }
        // Values that are all alike get bins that are narrow for their size.
        let span = max(high - low, abs(high) * 0.05, 1e-9)
        let width = PlotScale.step(over: span, atMost: most)
        let start = (low / width + 1e-9).rounded(.down) * width
        func bin(_ value: Double) -> Int { max(0, Int((value - start) / width + 1e-9)) }
        let bins = bin(high) + 1
        counts = series.map { values in
            var counts = Array(repeating: 0, count: bins)
            for value in values { counts[min(bin(value), bins - 1)] += 1 }
            return counts
        }
        (self.start, self.width, self.median) = (start, width, median)
    }
}

/// A histogram as a figure: bars stacked by method, the median marked.
struct HistogramFigure {
    var title: String
    /// Of the values, for ticks and tooltips.
    var format: (Double) -> String
    /// By method.
    var series: [[Double]]

    private static let (width, height) = (520.0, 210.0)
    private static let (left, right, top, bottom) = (40.0, 496.0, 22.0, 180.0)

    /// Empty without values.
    var html: HTML {
        guard let histogram = Histogram(series) else { return "" }
        let margin = histogram.bins < 8 ? Double(8 - histogram.bins) / 2 * histogram.width : 0
        let x = PlotScale(
            values: (histogram.start - margin)...(histogram.end + margin), start: Self.left,
            end: Self.right)
        let highest =
            (0..<histogram.bins).map { bin in
                histogram.counts.reduce(0) { $0 + $1[bin] }
            }.max() ?? 1
        let step = max(1, PlotScale.step(over: Double(highest), atMost: 4))
        let y = PlotScale(
            values: 0...(Double(highest) / step).rounded(.up) * step, start: Self.bottom,
            end: Self.top)
        let count = histogram.counts.joined().reduce(0, +)
        return """
            <div class="card"><h3>\(title)</h3>
            <p class="soft small">median \(format(histogram.median)) of \
            \(ReportFigures.count(count, "answer"))</p>
            <svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="\(title)" \
            viewBox="0 0 \(ReportFigures.pixels(Self.width)) \(ReportFigures.pixels(Self.height))">
            \(axes(x, y))\(bars(histogram, x, y))\(median(histogram, x))
            </svg></div>

            """
    }

    private func axes(_ x: PlotScale, _ y: PlotScale) -> HTML {
        var html: HTML = ""
        let wholes = y.ticks(atMost: 4).filter { $0 == $0.rounded() }
        for tick in wholes where tick > 0 {
            html += """
                <path class="grid" d="M\(px(Self.left)) \(px(y.pixel(tick)))H\(px(Self.right))" />\
                <text class="e" x="\(px(Self.left - 6))" y="\(px(y.pixel(tick) + 4))">\
                \(ReportFigures.count(Int(tick)))</text>

                """
        }
        for tick in x.ticks(atMost: 6) {
            html += """
                <text class="m" x="\(px(x.pixel(tick)))" y="\(px(Self.bottom + 17))">\
                \(format(tick))</text>
                <path class="axis" d="M\(px(x.pixel(tick))) \(px(Self.bottom))v4" />
                """
        }
        return html
            + "<path class=\"axis\" d=\"M\(px(Self.left)) \(px(Self.bottom))H\(px(Self.right))\" />\n"
    }

    private func bars(_ histogram: Histogram, _ x: PlotScale, _ y: PlotScale) -> HTML {
        var html: HTML = ""
        for bin in 0..<histogram.bins {
            let from = histogram.start + Double(bin) * histogram.width
            let (low, high) = (x.pixel(from), x.pixel(from + histogram.width))
            var below = 0
            for (index, counts) in histogram.counts.enumerated() where counts[bin] > 0 {
                let (bottom, top) = (
                    y.pixel(Double(below)), y.pixel(Double(below + counts[bin]))
                )
                below += counts[bin]
                html += """
                    <rect class="s\(index % 8)" x="\(px(low + 0.75))" y="\(px(top))" \
                    width="\(px(max(high - low - 1.5, 0.5)))" height="\(px(bottom - top))">\
                    <title>\(format(from)) to \(format(from + histogram.width)): \
                    \(ReportFigures.count(counts[bin], "answer"))</title></rect>

                    """
            }
        }
        return html
    }

    private func median(_ histogram: Histogram, _ x: PlotScale) -> HTML {
        let place = px(x.pixel(histogram.median))
        return """
            <path class="median" d="M\(place) \(px(Self.top - 4))V\(px(Self.bottom))" />
            """
    }

    private func px(_ value: Double) -> String { ReportFigures.pixels(value) }
}
