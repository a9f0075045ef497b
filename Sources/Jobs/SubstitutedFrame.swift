/// A sampled row that shows another frame than the one asked for. As JSON a list of the three numbers.
package struct SubstitutedFrame: Sendable, Equatable {
    /// From 0.
    package var row: Int
    /// Index in presentation order of the frame asked for.
    package var requested: Int
    /// Index of the frame that is shown.
    package var shown: Int

    package init(row: Int, requested: Int, shown: Int) {
        self.row = row
        self.requested = requested
        self.shown = shown
    }
}

extension SubstitutedFrame: Codable {
    package init(from decoder: any Decoder) throws {
        var list = try decoder.unkeyedContainer()
        self.init(
            row: try list.decode(Int.self), requested: try list.decode(Int.self),
            shown: try list.decode(Int.self))
        guard list.isAtEnd else {
            throw DecodingError.dataCorruptedError(
                in: list, debugDescription: "expected [row, requested, shown], found more")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var list = encoder.unkeyedContainer()
        try list.encode(row)
        try list.encode(requested)
        try list.encode(shown)
    }
}
