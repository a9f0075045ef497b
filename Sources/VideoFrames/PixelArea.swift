/// A rectangle of a picture.
struct PixelArea: Equatable {
    var columns: Range<Int>
    var rows: Range<Int>

    var width: Int { columns.count }
    var height: Int { rows.count }
}

extension Orientation {
    /// The part of the stored picture that shows an area of the displayed one.
    ///
    /// - Parameters:
    ///   - width: of the whole picture as displayed
    ///   - height: of the whole picture as displayed
    func stored(_ area: PixelArea, width: Int, height: Int) -> PixelArea {
        func mirrored(_ range: Range<Int>, _ length: Int, _ isFlipped: Bool) -> Range<Int> {
            isFlipped ? (length - range.upperBound)..<(length - range.lowerBound) : range
        }
        let across = mirrored(area.columns, width, flipsHorizontally)
        let down = mirrored(area.rows, height, flipsVertically)
        return transposes
            ? PixelArea(columns: down, rows: across) : PixelArea(columns: across, rows: down)
    }
}
