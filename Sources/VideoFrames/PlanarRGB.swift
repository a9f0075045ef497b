internal import CFFmpeg

/// Converts strips of 8-bit 4:2:0 pictures to planes of red, green and blue, equal in every bit to
/// libswscale's accurate conversion and several times as fast: that one goes pixel by pixel, and its result
/// would only be taken apart again.
final class PlanarRGB {
    /// Rows of a strip.
    static let rows = 16

    private let area: PixelArea
    /// Bytes of a plane's row, in whole blocks of 16 columns.
    let stride: Int
    /// First column of the planes: even, as chroma is shared by two, and at or before the area's.
    private let left: Int
    private let planes: UnsafeMutablePointer<UInt8>
    private let chroma: UnsafeMutablePointer<Int16>

    /// - Parameter area: what is wanted of each picture
    init(_ area: PixelArea) {
        self.area = area
        left = area.columns.lowerBound / 2 * 2
        stride = (area.columns.upperBound - left + 15) / 16 * 16
        planes = .allocate(capacity: 3 * Self.rows * stride)
        planes.initialize(repeating: 0, count: 3 * Self.rows * stride)
        chroma = .allocate(capacity: 2 * (stride / 2 + 2))
    }

    deinit {
        planes.deallocate()
        chroma.deallocate()
    }

    /// Whether a picture is of the kind that this converts: the most usual one.
    static func takes(_ frame: AVFrame) -> Bool {
        let format = AVPixelFormat(frame.format)
        return (format == AV_PIX_FMT_YUV420P || format == AV_PIX_FMT_YUVJ420P)
            && frame.width % 2 == 0 && frame.height % 2 == 0 && frame.width >= 32
            && frame.height >= 8
    }

    /// Converts the rows from `row` on, counted from the area's first, up to sixteen of them.
    ///
    /// - Returns: first byte of the area's first column in each plane, `stride` bytes a row
    func strip(
        _ frame: AVFrame, from row: Int, _ matrix: zvl_matrix
    ) -> (red: UnsafePointer<UInt8>, green: UnsafePointer<UInt8>, blue: UnsafePointer<UInt8>)? {
        guard let luma = frame.data.0, let u = frame.data.1, let v = frame.data.2 else {
            return nil
        }
        let (width, height) = (Int(frame.width), Int(frame.height))
        let size = Self.rows * stride
        let half = stride / 2 + 2
        for line in 0..<min(Self.rows, area.height - row) {
            let y = area.rows.lowerBound + row + line
            let (above, below) = Self.chromaLines(y, of: height)
            for (plane, data, bytes) in [(0, u, frame.linesize.1), (1, v, frame.linesize.2)] {
                zvl_chroma_row(
                    data + above * Int(bytes), data + below * Int(bytes), Int32(width / 2),
                    Int32(left / 2), Int32(stride / 2), chroma + plane * half)
            }
            // The last block may reach over the picture's edge.
            let whole = min(stride, (width - left) / 16 * 16)
            let source = luma + y * Int(frame.linesize.0) + left
            let target = planes + line * stride
            zvl_rgb_row(
                source, chroma, chroma + half, Int32(whole / 16), matrix, target, target + size,
                target + 2 * size)
            guard whole < stride else { continue }
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { rest in
                guard let last = rest.baseAddress else { return }
                last.initialize(repeating: 0, count: 16)
                last.update(from: source + whole, count: min(16, width - left - whole))
                zvl_rgb_row(
                    last, chroma + whole / 2, chroma + half + whole / 2, 1, matrix,
                    target + whole, target + size + whole, target + 2 * size + whole)
            }
        }
        let first = UnsafePointer(planes + area.columns.lowerBound - left)
        return (first, first + size, first + 2 * size)
    }

    /// The two lines of chroma that libswscale's packed output averages for a row: bilinear weights, of which
    /// it keeps only whether the second is the larger.
    static func chromaLines(_ y: Int, of height: Int) -> (Int, Int) {
        if y == height - 1 { return (height / 2 - 2, height / 2 - 1) }
        return y % 2 == 1 || y == 0 ? (y / 2, y / 2) : (y / 2 - 1, y / 2)
    }
}
