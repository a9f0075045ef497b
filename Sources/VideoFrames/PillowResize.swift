/// Shortest edge to `side`, then the centre `side` x `side`: the preprocessing of CLIP's image processor.
struct CropGeometry: Equatable {
    /// Size of the whole resized picture.
    let width: Int
    let height: Int
    /// Where the crop begins in it.
    let left: Int
    let top: Int
    let side: Int

    /// The longer edge is truncated: 1920 x 1080 to 336 gives 597 x 336, cropped from column 130 on.
    init(width: Int, height: Int, side: Int) {
        let short = max(1, min(width, height))
        let long = side * max(width, height) / short
        self.side = side
        self.width = width <= height ? side : long
        self.height = width <= height ? long : side
        left = (self.width - side) / 2
        top = (self.height - side) / 2
    }
}

/// Weights of one axis in 22-bit fixed point, for the outputs of a range.
struct ResampleWeights {
    /// First source index of each output.
    private(set) var starts: [Int] = []
    /// Number of source values of each output.
    private(set) var counts: [Int] = []
    /// `taps` weights for each output, zero beyond its count.
    private(set) var values: [Int32] = []
    let taps: Int

    static let bits: Int32 = 22

    /// - Parameters:
    ///   - input: source length
    ///   - output: length of the whole result, of which `range` is wanted
    init(input: Int, output: Int, range: Range<Int>) {
        let scale = Double(input) / Double(output)
        let filterScale = max(scale, 1)
        // Bicubic, widened when it shrinks: that is the antialiasing.
        let support = 2 * filterScale
        taps = Int(support.rounded(.up)) * 2 + 1
        for index in range {
            let center = (Double(index) + 0.5) * scale
            let start = max(0, Int(center - support + 0.5))
            let end = min(input, Int(center + support + 0.5))
            var weights = (start..<end).map {
                Self.bicubic((Double($0) - center + 0.5) * (1 / filterScale))
            }
            let sum = weights.reduce(0, +)
            if sum != 0 { weights = weights.map { $0 / sum } }
            starts.append(start)
            counts.append(weights.count)
            for weight in weights {
                let scaled = weight * Double(1 << Self.bits)
                values.append(Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5))
            }
            values.append(contentsOf: [Int32](repeating: 0, count: taps - weights.count))
        }
    }

    /// Keys' cubic convolution kernel with a = -1/2.
    static func bicubic(_ position: Double) -> Double {
        let x = abs(position)
        if x < 1 { return (1.5 * x - 2.5) * x * x + 1 }
        if x < 2 { return ((-0.5 * x + 2.5) * x - 4) * x + 2 }
        return 0
    }
}

/// Resizes RGB pictures of one size to the centre crop, equal in every bit to Pillow's
/// `resize(BICUBIC)` of the whole picture followed by the crop.
///
/// Pillow filters rows, rounds to bytes, then filters columns. Only what the crop needs is computed.
struct PillowResize {
    let width: Int
    let height: Int
    let geometry: CropGeometry
    private let horizontal: ResampleWeights?
    private let vertical: ResampleWeights?
    /// Source rows that the crop depends on.
    private let rows: Range<Int>

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
        if let vertical, let first = vertical.starts.first {
            let ends = zip(vertical.starts, vertical.counts).map { $0 + $1 }
            rows = first..<(ends.max() ?? first)
        } else {
            rows = lines
        }
    }

    /// - Parameters:
    ///   - source: [height, width, 3], `stride` bytes a row
    ///   - target: [side, side, 3]
    ///   - scratch: kept between calls
    func apply(
        _ source: UnsafePointer<UInt8>, stride: Int, to target: UnsafeMutablePointer<UInt8>,
        scratch: inout [UInt8]
    ) {
        let rowBytes = geometry.side * 3
        let needed = rows.count * rowBytes
        if scratch.count < needed { scratch = [UInt8](repeating: 0, count: needed) }
        scratch.withUnsafeMutableBufferPointer { buffer in
            guard let middle = buffer.baseAddress else { return }
            for row in rows {
                let from = source + row * stride
                let to = middle + (row - rows.lowerBound) * rowBytes
                if let horizontal {
                    Self.filterRow(from, horizontal, to: to)
                } else {
                    to.update(from: from + geometry.left * 3, count: rowBytes)
                }
            }
            if let vertical {
                for line in 0..<geometry.side {
                    Self.filterColumns(
                        middle, first: rows.lowerBound, line, vertical, rowBytes: rowBytes,
                        to: target + line * rowBytes)
                }
            } else {
                target.update(from: middle, count: geometry.side * rowBytes)
            }
        }
    }

    private static let half = Int32(1) << (ResampleWeights.bits - 1)

    @inline(__always)
    private static func byte(_ sum: Int32) -> UInt8 {
        UInt8(truncatingIfNeeded: max(0, min(255, sum >> ResampleWeights.bits)))
    }

    private static func filterRow(
        _ source: UnsafePointer<UInt8>, _ weights: ResampleWeights,
        to target: UnsafeMutablePointer<UInt8>
    ) {
        weights.values.withUnsafeBufferPointer { values in
            guard var weight = values.baseAddress else { return }
            var write = target
            for index in weights.starts.indices {
                var read = source + weights.starts[index] * 3
                var (red, green, blue) = (half, half, half)
                for tap in 0..<weights.counts[index] {
                    let value = weight[tap]
                    red &+= value &* Int32(read[0])
                    green &+= value &* Int32(read[1])
                    blue &+= value &* Int32(read[2])
                    read += 3
                }
                write[0] = byte(red)
                write[1] = byte(green)
                write[2] = byte(blue)
                write += 3
                weight += weights.taps
            }
        }
    }

    private static func filterColumns(
        _ rows: UnsafePointer<UInt8>, first: Int, _ line: Int, _ weights: ResampleWeights,
        rowBytes: Int, to target: UnsafeMutablePointer<UInt8>
    ) {
        weights.values.withUnsafeBufferPointer { values in
            guard let base = values.baseAddress else { return }
            let weight = base + line * weights.taps
            let top = rows + (weights.starts[line] - first) * rowBytes
            let count = weights.counts[line]
            for column in 0..<rowBytes {
                var sum = half
                var read = top + column
                for tap in 0..<count {
                    sum &+= weight[tap] &* Int32(read.pointee)
                    read += rowBytes
                }
                target[column] = byte(sum)
            }
        }
    }
}
