import Plotting

/// A table of shares as coloured cells with their numbers, both axes named.
package struct HeatMap: Sendable {
    package var title: String
    /// Small lines below the title.
    package var notes: [String]
    package var columnTitle: String
    package var columns: [String]
    package var rowTitle: String
    package var rows: [String]
    /// 0 to 1, [rows][columns]; `nil` where nothing was measured.
    package var values: [[Double?]]

    package init(
        title: String, notes: [String], columnTitle: String, columns: [String], rowTitle: String,
        rows: [String], values: [[Double?]]
    ) {
        self.title = title
        self.notes = notes
        (self.columnTitle, self.columns) = (columnTitle, columns)
        (self.rowTitle, self.rows) = (rowTitle, rows)
        self.values = values
    }

    private static let margin = 28
    private static let cellWidth = 96
    /// High enough for the rows' title beside them.
    private var cellHeight: Int {
        let title = Canvas.length(of: rowTitle, scale: 2) + 16
        return max(60, (title + rows.count - 1) / max(rows.count, 1))
    }
    private static let left = 130
    private static let right = 150

    package func draw() -> Canvas {
        let noteTop = Self.margin + 34
        let top = noteTop + notes.count * 22 + 24
        let size = (
            width: columns.count * Self.cellWidth, height: rows.count * cellHeight
        )
        let longest =
            (notes.map { Canvas.length(of: $0, scale: 2) }
            + [Canvas.length(of: title, scale: 3)]).max() ?? 0
        var canvas = Canvas(
            width: max(Self.left + size.width + Self.right, min(longest, 1400) + 2 * Self.margin),
            height: top + size.height + 78)
        let room = canvas.width - 2 * Self.margin
        canvas.text(
            Canvas.cut(title, toWidth: room, scale: 3), x: Self.margin, y: Self.margin, scale: 3)
        for (index, note) in notes.enumerated() {
            canvas.text(
                Canvas.cut(note, toWidth: room, scale: 2), x: Self.margin, y: noteTop + index * 22,
                .gray)
        }
        drawCells(top: top, on: &canvas)
        drawAxes(top: top, on: &canvas)
        canvas.legend(
            "",
            in: PixelRect(
                x: Self.left + size.width + 32, y: top + 8, width: 18,
                height: max(size.height - 16, 44)), direction: .upwards, isPercent: true)
        return canvas
    }

    private func drawCells(top: Int, on canvas: inout Canvas) {
        for (row, values) in values.enumerated() {
            for (column, value) in values.enumerated() {
                let rect = PixelRect(
                    x: Self.left + column * Self.cellWidth, y: top + row * cellHeight,
                    width: Self.cellWidth - 2, height: cellHeight - 2)
                let color = value.map(ColorMap.color) ?? .grid
                canvas.fill(rect, color)
                canvas.text(
                    value.map { "\(Int(($0 * 100).rounded()))%" } ?? "-",
                    x: rect.x + rect.width / 2,
                    y: rect.y + (rect.height - Canvas.lineHeight(scale: 3)) / 2, scale: 3,
                    color.readableInk, anchor: .middle)
            }
        }
    }

    private func drawAxes(top: Int, on canvas: inout Canvas) {
        let bottom = top + rows.count * cellHeight
        for (row, label) in rows.enumerated() {
            canvas.text(
                label, x: Self.left - 12,
                y: top + row * cellHeight
                    + (cellHeight - Canvas.lineHeight(scale: 2)) / 2, anchor: .end)
        }
        for (column, label) in columns.enumerated() {
            canvas.text(
                label, x: Self.left + column * Self.cellWidth + Self.cellWidth / 2,
                y: bottom + 10, anchor: .middle)
        }
        canvas.text(
            columnTitle, x: Self.left + columns.count * Self.cellWidth / 2, y: bottom + 38, .gray,
            anchor: .middle)
        canvas.text(
            rowTitle, x: Self.margin, y: (top + bottom) / 2, .gray, anchor: .middle,
            direction: .upwards)
    }
}
