import Plotting
package import VideoFrames

/// Draws the frames that the sampler takes of a video, each with its index and time.
package struct ContactSheet {
    private let frames: SampledFrames
    private let rows: [Int]
    private let columns: Int
    private let tile: (width: Int, height: Int)
    private let notes: [String]
    private var canvas: Canvas

    /// More frames are drawn in part, evenly chosen.
    package static let limit = 256
    private static let margin = 24
    private static let gap = 12
    private static let caption = 22
    private static let head = 84
    private static let noteLine = 20
    /// Marks a frame that stands in for one that could not be read.
    static let substitute = RGBColor(214, 96, 32)

    /// - Parameters:
    ///   - frames: of one size, at least one
    ///   - title: one line above
    ///   - subtitle: one line below the title
    package static func draw(
        _ frames: SampledFrames, title: String, subtitle: String
    ) -> Canvas {
        var sheet = ContactSheet(frames)
        sheet.drawHead(title, subtitle)
        for place in sheet.rows.indices { sheet.drawFrame(place) }
        return sheet.canvas
    }

    private init(_ frames: SampledFrames) {
        self.frames = frames
        rows = TraceFigure.chosen(frames.count, atMost: Self.limit)
        columns = max(1, min(8, rows.count))
        // A whole fraction of the size, so that pixels stay even.
        let divisor = max(1, (max(frames.width, frames.height) + 167) / 168)
        tile = (max(1, frames.width / divisor), max(1, frames.height / divisor))
        notes =
            (rows.count < frames.count
                ? ["\(rows.count) of \(frames.count) sampled frames are drawn"] : [])
            + frames.warnings
        canvas = Canvas(width: 0, height: 0)
        let lines = (rows.count + columns - 1) / columns
        canvas = Canvas(
            width: max(columns * (tile.width + Self.gap) - Self.gap + 2 * Self.margin, 960),
            height: top + lines * (tile.height + Self.caption + Self.gap) + Self.margin)
    }

    private var top: Int { Self.head + notes.count * Self.noteLine }

    private mutating func drawHead(_ title: String, _ subtitle: String) {
        let room = canvas.width - 2 * Self.margin
        var lines: [(text: String, y: Int, scale: Int, color: RGBColor)] = [
            (title, Self.margin, 3, .ink), (subtitle, 56, 2, .gray),
        ]
        for (number, note) in notes.enumerated() {
            lines.append((note, 76 + number * Self.noteLine, 2, Self.substitute))
        }
        for line in lines {
            canvas.text(
                Canvas.cut(line.text, toWidth: room, scale: line.scale), x: Self.margin, y: line.y,
                scale: line.scale, line.color)
        }
    }

    private mutating func drawFrame(_ place: Int) {
        let row = rows[place]
        let area = PixelRect(
            x: Self.margin + place % columns * (tile.width + Self.gap),
            y: top + place / columns * (tile.height + Self.caption + Self.gap),
            width: tile.width, height: tile.height)
        let bytes = frames.width * frames.height * 3
        if let picture = RGBImage(
            Array(frames.pixels[(row * bytes)..<((row + 1) * bytes)]), width: frames.width,
            height: frames.height)
        {
            canvas.draw(picture, in: area)
        }
        let (shown, asked) = (frames.frameIndex[row], frames.requestedIndex[row])
        var index = "\(shown)"
        if shown != asked {
            index += " for \(asked)"
            for inset in 0..<3 {
                canvas.outline(
                    PixelRect(
                        x: area.x + inset, y: area.y + inset, width: area.width - 2 * inset,
                        height: area.height - 2 * inset), Self.substitute)
            }
        }
        let y = area.y + area.height + 5
        let time = TraceFigure.seconds(frames.framePTSMilliseconds[row])
        canvas.text(index, x: area.x, y: y, shown == asked ? .ink : Self.substitute)
        let isRoom = Canvas.length(of: "\(index) \(time)", scale: 2) <= area.width
        if isRoom { canvas.text(time, x: area.x + area.width, y: y, .gray, anchor: .end) }
    }
}
