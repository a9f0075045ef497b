import Plotting

/// For each layer the kept share of the prompt as a bar, and beside it the kept share of each frame's visual
/// tokens as a strip of colours.
struct LayerChart {
    let trace: TokenTrace
    let top: Int
    let margin: Int

    /// Layers of a figure: with more, a picture of gigabytes would come of a file that claims them.
    static let limit = 128
    private static let row = 20
    private static let bar = 14
    private static let title = 34
    private static let axis = 34
    private static let legend = 66
    private static let barWidth = 240

    static func height(layers: Int) -> Int { title + layers * row + axis + legend }

    func draw(on canvas: inout Canvas) {
        let bars = margin + 48
        let strip = bars + Self.barWidth + 108
        let stripWidth = canvas.width - margin - strip
        let bottom = top + Self.title + trace.layers.count * Self.row
        canvas.text(
            "kept of the prompt: mean \(Decimal3.text(trace.meanRatio))", x: margin, y: top)
        canvas.text(
            "kept of each frame's visual tokens, all \(trace.frameCount) frames", x: strip,
            y: top)
        for quarter in 0...4 {
            canvas.fill(
                PixelRect(
                    x: bars + quarter * Self.barWidth / 4, y: top + Self.title - 4, width: 1,
                    height: bottom - top - Self.title + 8), .grid)
        }
        for (index, layer) in trace.layers.enumerated() {
            let y = top + Self.title + index * Self.row
            canvas.text(layer.name, x: bars - 8, y: y, anchor: .end)
            drawBar(trace.ratio(of: layer), x: bars, y: y, on: &canvas)
            drawStrip(layer, x: strip, y: y, width: stripWidth, on: &canvas)
        }
        for (share, label) in [(0, "0"), (1, "0.5"), (2, "1")] {
            canvas.text(
                label, x: bars + share * Self.barWidth / 2, y: bottom + 8, .gray, anchor: .middle)
        }
        drawFrameNumbers(x: strip, y: bottom, width: stripWidth, on: &canvas)
        canvas.legend(
            "share kept",
            in: PixelRect(x: strip, y: bottom + Self.axis + 26, width: 240, height: 14))
    }

    private func drawBar(_ ratio: Double, x: Int, y: Int, on canvas: inout Canvas) {
        let width = Int((min(max(ratio, 0), 1) * Double(Self.barWidth)).rounded())
        canvas.fill(PixelRect(x: x, y: y, width: width, height: Self.bar), .bar)
        canvas.text(Decimal3.text(ratio), x: x + width + 8, y: y)
    }

    private func drawStrip(
        _ layer: TokenTrace.Layer, x: Int, y: Int, width: Int, on canvas: inout Canvas
    ) {
        let shares = (0..<trace.frameCount).map { trace.share(of: layer, frame: $0) }
        for place in 0..<width {
            // Where there are more frames than pixels, a pixel is the mean of those that fall on it.
            let first = place * shares.count / width
            let frames = first..<max(first + 1, (place + 1) * shares.count / width)
            let mean = shares[frames].reduce(0, +) / Double(frames.count)
            canvas.fill(
                PixelRect(x: x + place, y: y, width: 1, height: Self.bar), ColorMap.color(mean))
        }
    }

    private func drawFrameNumbers(x: Int, y: Int, width: Int, on canvas: inout Canvas) {
        let last = trace.frameCount - 1
        var drawn = Set<Int>()
        for quarter in 0...4 {
            let frame = quarter * last / 4
            guard drawn.insert(frame).inserted else { continue }
            let place = x + (2 * frame + 1) * width / (2 * trace.frameCount)
            canvas.fill(PixelRect(x: place, y: y, width: 1, height: 5), .gray)
            canvas.text(
                "\(frame)", x: place, y: y + 8, .gray,
                anchor: frame == last && last > 0 ? .end : frame == 0 ? .start : .middle)
        }
    }
}
