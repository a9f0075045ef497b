/// One of the eight ways to lay out a picture: transposition first, then flips.
struct Orientation: Equatable {
    var transposes: Bool
    var flipsHorizontally: Bool
    var flipsVertically: Bool

    /// As stored, unless something is said.
    init(
        transposes: Bool = false, flipsHorizontally: Bool = false, flipsVertically: Bool = false
    ) {
        self.transposes = transposes
        self.flipsHorizontally = flipsHorizontally
        self.flipsVertically = flipsVertically
    }

    /// From a display matrix [a b u; c d v; x y w], which maps a stored point (x, y) to
    /// (a x + c y, b x + d y). Other angles than multiples of 90 degrees go to the nearest one.
    init(matrix: UnsafePointer<Int32>?) {
        self.init()
        guard let matrix else { return }
        let (a, b, c, d) = (
            Int64(matrix[0]), Int64(matrix[1]), Int64(matrix[3]), Int64(matrix[4])
        )
        if abs(a) + abs(d) >= abs(b) + abs(c) {
            flipsHorizontally = a < 0
            flipsVertically = d < 0
        } else {
            transposes = true
            flipsHorizontally = c < 0
            flipsVertically = b < 0
        }
    }

    var isIdentity: Bool { self == Orientation() }

    /// Degrees clockwise; of a mirrored picture, those after the mirroring.
    var degrees: Int {
        if transposes { return flipsHorizontally ? 90 : 270 }
        return flipsVertically ? 180 : 0
    }

    /// Rearranges packed RGB.
    ///
    /// - Parameters:
    ///   - source: [height, width, 3] with `stride` bytes a row
    ///   - target: [height, width, 3] without gaps, of the size after transposition
    func apply(
        _ source: UnsafePointer<UInt8>, stride: Int, width: Int, height: Int,
        to target: UnsafeMutablePointer<UInt8>
    ) {
        let (outWidth, outHeight) = transposes ? (height, width) : (width, height)
        for y in 0..<outHeight {
            let v = flipsVertically ? outHeight - 1 - y : y
            var write = target + y * outWidth * 3
            for x in 0..<outWidth {
                let u = flipsHorizontally ? outWidth - 1 - x : x
                let read = transposes ? source + u * stride + v * 3 : source + v * stride + u * 3
                write[0] = read[0]
                write[1] = read[1]
                write[2] = read[2]
                write += 3
            }
        }
    }
}
