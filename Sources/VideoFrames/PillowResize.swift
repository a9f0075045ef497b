internal import CFFmpeg

/// Resizes RGB pictures of one size to the centre crop, equal in every bit to Pillow's
/// `resize(BICUBIC)` of the whole picture followed by the crop.
///
/// Pillow filters rows, rounds to bytes, then filters columns. Only what the crop needs is computed. Both
/// passes run over sixteen neighbouring bytes at a time, for which the first turns strips of sixteen rows on
/// their side.
final class PillowResize {
    let width: Int
    let height: Int
    let geometry: CropGeometry
    /// The part of the picture that the crop depends on.
    let area: PixelArea
    private let horizontal: ResampleWeights?
    private let vertical: ResampleWeights?
    /// Sixteen rows of the area on their side: [area.width * 3, 16].
    private let strip: UnsafeMutablePointer<UInt8>
    /// The same strip filtered: [lineBytes, 16].
    private let filtered: UnsafeMutablePointer<UInt8>
    /// The area's rows after the first pass: [area.height, lineBytes].
    private let middle: UnsafeMutablePointer<UInt8>
    /// Bytes of an output line, filled up to whole blocks.
    private let lineBytes: Int

    private static let block = 16

    init(width: Int, height: Int, side: Int) {
        self.width = width
        self.height = height
        geometry = CropGeometry(width: width, height: height, side: side)
        let columns = geometry.left..<(geometry.left + side)
        let lines = geometry.top..<(geometry.top + side)
        horizontal =
            geometry.width == width
            ? nil : ResampleWeights(input: width, output: geometry.width, range: columns)
        vertical =
            geometry.height == height
            ? nil : ResampleWeights(input: height, output: geometry.height, range: lines)
        area = PixelArea(
            columns: horizontal?.sources ?? columns, rows: vertical?.sources ?? lines)
        lineBytes = Self.padded(side * 3)
        strip = .allocate(capacity: Self.padded(area.width * 3) * Self.block)
        filtered = .allocate(capacity: lineBytes * Self.block)
        middle = .allocate(capacity: Self.padded(area.height) * lineBytes)
        // What fills up the blocks is computed with, and never looked at.
        filtered.initialize(repeating: 0, count: lineBytes * Self.block)
        middle.initialize(repeating: 0, count: Self.padded(area.height) * lineBytes)
    }

    deinit {
        strip.deallocate()
        filtered.deallocate()
        middle.deallocate()
    }

    private static func padded(_ count: Int) -> Int { (count + block - 1) / block * block }

    /// - Parameters:
    ///   - source: `area` of the picture, [area.height, area.width, 3], `stride` bytes a row
    ///   - target: [side, side, 3]
    func apply(
        _ source: UnsafePointer<UInt8>, stride: Int, to target: UnsafeMutablePointer<UInt8>
    ) {
        if let horizontal {
            for row in Swift.stride(from: 0, to: area.height, by: Self.block) {
                let rows = min(Self.block, area.height - row)
                turn(source + row * stride, stride: stride, rows: rows)
                filter(horizontal, row)
            }
        } else {
            for row in 0..<area.height {
                (middle + row * lineBytes).update(
                    from: source + row * stride, count: geometry.side * 3)
            }
        }
        finish(target)
    }

    /// Whether planes can be resized as they are converted.
    var takesPlanes: Bool { horizontal != nil && PlanarRGB.rows == Self.block }

    /// Resizes a picture that is converted strip by strip.
    ///
    /// - Parameter strip: planes of the area's sixteen rows from the one given on, and bytes a row
    /// - Returns: false if there was a strip missing
    func apply(
        planes stride: Int, to target: UnsafeMutablePointer<UInt8>,
        strip: (Int) -> (
            red: UnsafePointer<UInt8>, green: UnsafePointer<UInt8>, blue: UnsafePointer<UInt8>
        )?
    ) -> Bool {
        guard let horizontal else { return false }
        for row in Swift.stride(from: 0, to: area.height, by: Self.block) {
            guard let planes = strip(row) else { return false }
            for (channel, plane) in [(0, planes.red), (1, planes.green), (2, planes.blue)] {
                turn(plane, stride: stride, channel: channel)
            }
            filter(horizontal, row)
        }
        finish(target)
        return true
    }

    /// The second pass.
    private func finish(_ target: UnsafeMutablePointer<UInt8>) {
        let side = geometry.side
        if let vertical {
            for line in 0..<side { blend(line, vertical, to: target + line * side * 3) }
        } else {
            for line in 0..<side {
                (target + line * side * 3).update(from: middle + line * lineBytes, count: side * 3)
            }
        }
    }

    /// Turns up to sixteen rows on their side.
    private func turn(_ source: UnsafePointer<UInt8>, stride: Int, rows: Int) {
        let bytes = area.width * 3
        let whole = rows == Self.block ? bytes / Self.block * Self.block : 0
        for start in Swift.stride(from: 0, to: whole, by: Self.block) {
            zvl_transpose16(source + start, stride, strip + start * Self.block, Self.block)
        }
        // Blocks that would reach over the picture's edge.
        for byte in whole..<bytes {
            for row in 0..<Self.block {
                strip[byte * Self.block + row] = source[min(row, rows - 1) * stride + byte]
            }
        }
    }

    /// Turns sixteen rows of one plane on their side. Planes are made for this: there is memory behind the
    /// last column up to a whole block.
    private func turn(_ plane: UnsafePointer<UInt8>, stride: Int, channel: Int) {
        for start in Swift.stride(from: 0, to: area.width, by: Self.block) {
            let target = strip + (start * 3 + channel) * Self.block
            if start + Self.block <= area.width {
                zvl_transpose16(plane + start, stride, target, 3 * Self.block)
            } else {
                for column in 0..<(area.width - start) {
                    for row in 0..<Self.block {
                        target[column * 3 * Self.block + row] = plane[row * stride + start + column]
                    }
                }
            }
        }
    }

    /// Filters the strip to rows of `middle`.
    private func filter(_ weights: ResampleWeights, _ row: Int) {
        weights.packed.withUnsafeBufferPointer { packed in
            guard let words = packed.baseAddress else { return }
            let origin = area.columns.lowerBound
            for index in weights.starts.indices {
                for channel in 0..<3 {
                    let first = (weights.starts[index] - origin) * 3 + channel
                    zvl_blend16(
                        strip + first * Self.block, 3 * Self.block,
                        words + index * weights.packedTaps, Int32(weights.counts[index]),
                        filtered + (index * 3 + channel) * Self.block)
                }
            }
        }
        for start in stride(from: 0, to: lineBytes, by: Self.block) {
            zvl_transpose16(
                filtered + start * Self.block, Self.block, middle + row * lineBytes + start,
                lineBytes)
        }
    }

    /// One output line from the rows of `middle`.
    private func blend(
        _ line: Int, _ weights: ResampleWeights, to target: UnsafeMutablePointer<UInt8>
    ) {
        let bytes = geometry.side * 3
        let whole = bytes / Self.block * Self.block
        let rows = middle + (weights.starts[line] - area.rows.lowerBound) * lineBytes
        weights.packed.withUnsafeBufferPointer { packed in
            guard let words = packed.baseAddress.map({ $0 + line * weights.packedTaps }) else {
                return
            }
            let count = Int32(weights.counts[line])
            for start in stride(from: 0, to: whole, by: Self.block) {
                zvl_blend16(rows + start, lineBytes, words, count, target + start)
            }
            guard whole < bytes else { return }
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.block) { rest in
                guard let last = rest.baseAddress else { return }
                zvl_blend16(rows + whole, lineBytes, words, count, last)
                (target + whole).update(from: last, count: bytes - whole)
            }
        }
    }
}
