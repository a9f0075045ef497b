import FoundationEssentials
import LongVA
import SparsePrefill

extension FrameBatch {
    /// Frames from a file of RGB bytes [N, side, side, 3] without a header; its size tells N.
    ///
    /// - Throws: `ModelError` (`frames`) when the size is no whole number of frames, and what reading
    ///   the file throws.
    init(rawRGB path: String, side: Int) throws {
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let frame = side * side * 3
        guard frame > 0, !bytes.isEmpty, bytes.count % frame == 0 else {
            throw ModelError(
                .frames,
                "\(path): expected RGB frames of \(side) x \(side), \(frame) bytes each, "
                    + "found \(bytes.count) bytes")
        }
        self.init(pixels: bytes, count: bytes.count / frame, side: side)
    }

    /// Frames of random bytes.
    static func random(_ count: Int, side: Int, seed: UInt64) -> FrameBatch {
        var generator = SplitMix64(seed: seed, stream: 0)
        let pixels = (0..<count * side * side * 3).map { _ in
            UInt8(truncatingIfNeeded: generator.next())
        }
        return FrameBatch(pixels: pixels, count: count, side: side)
    }
}
