import Plotting
import VideoFrames

/// Draws a trace: the frames as each layer saw them, and how much each layer kept of the prompt and of each
/// frame.
package struct TraceFigure {
    private let trace: TokenTrace
    private let rows: [Int]
    private let columns: [Int]
    private let tile: Int
    private var canvas: Canvas

    /// What a token that was not kept fades to: the strips' colour for nothing kept. Black would not show
    /// on dark frames.
    private static let shade = ColorMap.color(0)
    private static let margin = 24
    private static let gap = 4
    private static let labels = 132
    private static let header = 42
    private static let head = 104

    /// - Parameters:
    ///   - layers: which layers get a row of frames; `nil` takes all, or eight evenly chosen ones
    ///   - frames: at most so many frames are drawn, evenly chosen
    /// - Throws: `TraceError` for a layer that the trace does not have, and for more layers than a figure
    ///   shows
    package static func draw(
        _ trace: TokenTrace, layers: [Int]? = nil, frames: Int = 16
    ) throws(TraceError) -> Canvas {
        let count = trace.layers.count
        if let absent = layers?.first(where: { !(0..<count).contains($0) }) {
            throw TraceError(trace.path, "has layers 0 to \(count - 1), not \(absent)")
        }
        guard count <= LayerChart.limit else {
            throw TraceError(
                trace.path, "has \(count) layers, a figure shows at most \(LayerChart.limit)")
        }
        if let layers, layers.count > LayerChart.limit {
            throw TraceError(
                trace.path,
                "\(layers.count) layers are asked for, a figure shows at most \(LayerChart.limit)")
        }
        let rows = layers ?? chosen(count, atMost: 8)
        var figure = TraceFigure(
            trace, rows: rows, columns: chosen(trace.frameCount, atMost: frames))
        figure.drawHead()
        figure.drawFrames()
        LayerChart(trace: trace, top: figure.chartTop, margin: margin).draw(on: &figure.canvas)
        return figure.canvas
    }

    /// So many of a row of things, evenly chosen.
    static func chosen(_ total: Int, atMost limit: Int) -> [Int] {
        total <= limit
            ? Array(0..<total) : FrameSampler.uniformIndices(total: total, count: limit)
    }

    private init(_ trace: TokenTrace, rows: [Int], columns: [Int]) {
        (self.trace, self.rows, self.columns) = (trace, rows, columns)
        // A whole fraction or multiple of the side, so that pixels stay even.
        let wanted = 112
        tile =
            trace.side >= wanted
            ? trace.side / ((trace.side + wanted - 1) / wanted)
            : trace.side * max(1, wanted / trace.side)
        let width = Self.labels + columns.count * (tile + Self.gap) + 2 * Self.margin
        canvas = Canvas(width: 0, height: 0)
        canvas = Canvas(
            width: max(width, 1080),
            height: chartTop + LayerChart.height(layers: trace.layers.count) + Self.margin)
    }

    private var chartTop: Int {
        Self.head + Self.header + rows.count * (tile + Self.gap) + Self.margin
    }

    private mutating func drawHead() {
        let title = MethodTitle(optionsJSON: trace.optionsJSON)
        let room = canvas.width - 2 * Self.margin
        let lines: [(String, Int, Int, RGBColor)] = [
            ("Visual tokens kept by each layer: \(title.method)", Self.margin, 3, .ink),
            (
                "\(trace.frameCount) frames of \(trace.grid) x \(trace.grid) tokens, "
                    + "\(trace.promptTokens) prompt tokens; dark cells were not kept"
                    + (trace.layers.contains { $0.shares.contains { $0 > 0 && $0 < 1 } }
                        ? " (half dark: kept by some heads)" : ""),
                56, 2, .gray
            ),
            (title.settings, 78, 2, .gray),
        ]
        for (line, y, scale, color) in lines {
            canvas.text(
                Canvas.cut(line, toWidth: room, scale: scale), x: Self.margin, y: y, scale: scale,
                color)
        }
    }

    private mutating func drawFrames() {
        let left = Self.margin + Self.labels
        canvas.text("frame", x: Self.margin, y: Self.head + 2, .gray)
        for (column, frame) in columns.enumerated() {
            let x = left + column * (tile + Self.gap)
            canvas.text("\(frame)", x: x + tile / 2, y: Self.head + 2, anchor: .middle)
            if trace.times.indices.contains(frame) {
                canvas.text(
                    Self.seconds(trace.times[frame]), x: x + tile / 2, y: Self.head + 20, .gray,
                    anchor: .middle)
            }
        }
        let pictures = columns.map { frame in
            trace.frame(frame)?.scaled(toWidth: tile, height: tile)
        }
        for (row, index) in rows.enumerated() {
            let layer = trace.layers[index]
            let y = Self.head + Self.header + row * (tile + Self.gap)
            let middle = y + tile / 2
            canvas.text(
                layer.name == "all" ? "all layers" : "layer \(layer.name)", x: Self.margin,
                y: middle - 18)
            canvas.text(
                Decimal3.text(trace.ratio(of: layer)), x: Self.margin, y: middle + 4, .gray)
            for (column, picture) in pictures.enumerated() {
                guard let picture else { continue }
                let x = left + column * (tile + Self.gap)
                canvas.draw(picture, in: PixelRect(x: x, y: y, width: tile, height: tile))
                darken(layer, frame: columns[column], x: x, y: y)
            }
        }
    }

    private mutating func darken(_ layer: TokenTrace.Layer, frame: Int, x: Int, y: Int) {
        let grid = trace.grid
        for cell in 0..<(grid * grid) {
            let share = layer.shares[frame * grid * grid + cell]
            guard share < 1 else { continue }
            let (row, column) = (cell / grid, cell % grid)
            let (left, right) = (column * tile / grid, (column + 1) * tile / grid)
            let (top, bottom) = (row * tile / grid, (row + 1) * tile / grid)
            canvas.fade(
                PixelRect(x: x + left, y: y + top, width: right - left, height: bottom - top),
                to: Self.shade, by: 0.8 * (1 - share))
        }
    }

    /// "4.0 s", "12:05"
    static func seconds(_ milliseconds: Double) -> String {
        guard milliseconds.isFinite, abs(milliseconds) < 1e12 else { return "" }
        let tenths = Int((milliseconds / 100).rounded())
        if tenths < 600 { return "\(tenths / 10).\(abs(tenths % 10)) s" }
        let rest = tenths / 10 % 60
        return "\(tenths / 600):" + (rest < 10 ? "0" : "") + "\(rest)"
    }
}

/// Numbers with three decimals.
enum Decimal3 {
    static func text(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e9 else { return "-" }
        let thousandths = Int((abs(value) * 1000).rounded())
        let digits = "\(thousandths % 1000)"
        let sign = value < 0 && thousandths > 0 ? "-" : ""
        return sign + "\(thousandths / 1000)."
            + String(repeating: "0", count: 3 - digits.count) + digits
    }
}
