package import Jobs
package import VideoFrames

/// V-NIAH, a needle in a visual haystack (LongVA, arXiv:2406.16852, section 4.1): one frame of a long video
/// is replaced by a picture that only the question is about, at several depths and video lengths.
///
/// Two things differ from the paper's own script: the answer is generated and judged as every answer here
/// (there: the answer's tokens are compared under teacher forcing), and the frame is replaced, so that
/// the length stays what it says (there: inserted).
package struct NeedleRun: Sendable {
    /// Frames of the haystack.
    package var lengths: [Int]
    /// Where the needle stands, in percent: 0 is the first frame, 100 the last.
    package var depths: [Double]
    package var needles: [Needle]

    package init(lengths: [Int], depths: [Double], needles: [Needle]) {
        self.lengths = lengths
        self.depths = depths
        self.needles = needles
    }

    /// Samples so many frames of a file.
    package typealias Sampling =
        @Sendable (_ path: String, _ frames: Int) async throws ->
        SampledFrames
    package typealias Answering = @Sendable (Needle, SampledFrames) async throws -> Answer

    /// Where a run stands.
    package struct Place: Sendable, Equatable {
        package var length: Int
        package var depth: Double
        /// From 0.
        package var needle: Int
    }

    /// The haystack is sampled once for each length, each needle once. Cells come in the order of `lengths`,
    /// then `depths`.
    ///
    /// - Parameters:
    ///   - began: called before each answer
    ///   - completed: called with each cell as soon as it is known
    package func run(
        haystack: String, sampling: Sampling, answering: Answering,
        began: (Place) -> Void = { _ in }, completed: (NeedleCell) throws -> Void = { _ in }
    ) async throws -> [NeedleCell] {
        var pictures: [SampledFrames] = []
        for needle in needles { pictures.append(try await sampling(needle.path, 1)) }
        var cells: [NeedleCell] = []
        for length in lengths {
            let hay = try await sampling(haystack, length)
            for depth in depths {
                let index = Self.index(depth: depth, length: hay.count)
                var cell = NeedleCell(length: length, depth: depth, frameIndex: index)
                for (number, needle) in needles.enumerated() {
                    began(Place(length: length, depth: depth, needle: number))
                    let frames = try hay.replacing(
                        index, with: pictures[number], path: needle.path)
                    cell.results.append(
                        NeedleResult(needle: needle, answer: try await answering(needle, frames)))
                }
                try completed(cell)
                cells.append(cell)
            }
        }
        return cells
    }

    /// The frame that the needle takes, rounded half away from zero.
    static func index(depth: Double, length: Int) -> Int {
        let index = (depth / 100 * Double(length - 1)).rounded(.toNearestOrAwayFromZero)
        return min(max(Int(index), 0), length - 1)
    }
}

extension SampledFrames {
    /// - Throws: `VideoError` where the picture has another size
    func replacing(
        _ index: Int, with picture: SampledFrames, path: String
    ) throws(VideoError) -> SampledFrames {
        let size = width * height * 3
        guard picture.width == width, picture.height == height, picture.pixels.count >= size,
            pixels.count == count * size
        else {
            throw VideoError(
                code: .other, path: path,
                message: "expected a frame of \(width) x \(height), found "
                    + "\(picture.width) x \(picture.height)")
        }
        var result = self
        result.pixels.replaceSubrange(
            (index * size)..<((index + 1) * size), with: picture.pixels[..<size])
        return result
    }
}
