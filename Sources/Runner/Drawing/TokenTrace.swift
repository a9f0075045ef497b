/// Which visual tokens each layer kept, and the frames that they came from: the part of a trace file that
/// can be drawn. libtorch must have been loaded.
package struct TokenTrace: Sendable {
    package struct Layer: Sendable, Equatable {
        /// The layer's number; "all" where the trace tells no layers apart.
        package var name: String
        /// Tokens of the prompt that the layer kept; with a choice per head, the mean over heads.
        package var keptTokens: Double
        /// Kept share of each visual token, 0 or 1, or the share of heads that kept it. [V]
        package var shares: [Double]
    }

    package let path: String
    /// N
    package let frameCount: Int
    /// S
    package let side: Int
    /// Cells of a frame along each edge; a cell is one visual token.
    package let grid: Int
    /// n
    package let promptTokens: Int
    package let layers: [Layer]
    package let optionsJSON: String
    /// Milliseconds from the first displayed frame [N]; empty where the trace has none.
    package let times: [Double]
    /// [N, S, S, 3]
    private let pixels: [UInt8]

    /// - Throws: `TraceError` naming the file and the tensor that is missing or does not fit
    package init(path: String) throws {
        let file = try TraceTensors(path: path)
        let frames = try file.bytes("frames")
        guard frames.shape.count == 4, frames.shape[3] == 3, frames.shape[1] == frames.shape[2],
            frames.shape[0] > 0, frames.shape[1] > 0
        else {
            throw TraceError(path, "`frames`: expected shape [N, S, S, 3], found \(frames.shape)")
        }
        self.path = path
        (frameCount, side, pixels) = (frames.shape[0], frames.shape[1], frames.values)
        let ids = try file.integers("prompt_ids")
        let visual = ids.indices.filter { ids[$0] == Self.visualID }
        let cells = visual.count / frameCount
        grid = Int(Double(cells).squareRoot())
        guard cells > 0, cells * frameCount == visual.count, grid * grid == cells else {
            throw TraceError(
                path,
                "`prompt_ids`: expected a square of visual tokens (\(Self.visualID)) for each of "
                    + "\(frameCount) frames, found \(visual.count) in all")
        }
        promptTokens = ids.count
        optionsJSON = file.metadata["options"] ?? "{}"
        times = (try file.doubles("frame_pts_ms", count: frameCount)) ?? []
        layers = try KeptSets(file, promptTokens: ids.count, visual: visual).layers()
    }

    /// Stands in the prompt for each visual token.
    private static let visualID = -200

    package func frame(_ index: Int) -> RGBImage? {
        guard (0..<frameCount).contains(index) else { return nil }
        let count = side * side * 3
        return RGBImage(
            Array(pixels[(index * count)..<((index + 1) * count)]), width: side, height: side)
    }

    /// Kept share of a frame's visual tokens.
    package func share(of layer: Layer, frame: Int) -> Double {
        let cells = grid * grid
        return layer.shares[(frame * cells)..<((frame + 1) * cells)].reduce(0, +) / Double(cells)
    }

    /// Kept share of all visual tokens.
    package func visualRatio(of layer: Layer) -> Double {
        layer.shares.reduce(0, +) / Double(layer.shares.count)
    }

    /// Kept share of the prompt's tokens.
    package func ratio(of layer: Layer) -> Double { layer.keptTokens / Double(promptTokens) }

    package var meanRatio: Double {
        layers.map { ratio(of: $0) }.reduce(0, +) / Double(max(layers.count, 1))
    }
}

/// A file that is no trace, or one that cannot be drawn as asked: names the file and what is missing.
package struct TraceError: Error, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ path: String, _ message: String) { description = "\(path): \(message)" }
}
