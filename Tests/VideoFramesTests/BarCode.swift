@testable import VideoFrames

/// Reads the frame index that the edge corpus draws into each picture: 16 blocks over the top quarter,
/// the lowest bit left.
enum BarCode {
    /// - Parameters:
    ///   - pixels: first of a [height, width, 3] picture with `stride` bytes a row
    ///   - orientation: how the stored picture was turned for display
    static func read(
        _ pixels: UnsafePointer<UInt8>, stride: Int, width: Int, height: Int,
        orientation: Orientation = Orientation()
    ) -> Int {
        let (storedWidth, storedHeight) = orientation.transposes ? (height, width) : (width, height)
        var code = 0
        for bit in 0..<16 {
            let (u, v) = ((2 * bit + 1) * storedWidth / 32, storedHeight / 8)
            var (x, y) = orientation.transposes ? (v, u) : (u, v)
            if orientation.flipsHorizontally { x = width - 1 - x }
            if orientation.flipsVertically { y = height - 1 - y }
            var sum = 0
            for dy in -2...2 {
                for dx in -2...2 { sum += Int(pixels[(y + dy) * stride + (x + dx) * 3 + 1]) }
            }
            if sum > 25 * 128 { code |= 1 << bit }
        }
        return code
    }

    /// The codes of all rows of a result at display size.
    static func codes(_ frames: SampledFrames, orientation: Orientation = Orientation()) -> [Int] {
        frames.pixels.withUnsafeBufferPointer { pixels in
            (0..<frames.count).compactMap { row in
                pixels.baseAddress.map {
                    read(
                        $0 + row * frames.width * frames.height * 3, stride: frames.width * 3,
                        width: frames.width, height: frames.height, orientation: orientation)
                }
            }
        }
    }
}
