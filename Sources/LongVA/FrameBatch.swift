/// Sampled frames of one video, resized and cropped to the vision tower's side.
package struct FrameBatch: Sendable {
    /// RGB bytes, [N, S, S, 3] row-major.
    package let pixels: [UInt8]
    /// N
    package let count: Int
    /// S
    package let side: Int

    package init(pixels: [UInt8], count: Int, side: Int) {
        self.pixels = pixels
        self.count = count
        self.side = side
    }
}
