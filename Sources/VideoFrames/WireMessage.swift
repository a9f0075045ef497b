internal import FoundationEssentials

/// What the parent asks its sampling child.
struct ChildRequest: Codable, Sendable {
    enum Kind: String, Codable { case sample, probe }

    var kind: Kind
    var sampling: SamplingRequest
    /// The child gives up by itself after this time; the parent kills it a little later.
    var budgetMilliseconds: Double
}

/// What the child answers. The pixels of `frames` are in the shared memory.
struct ChildReply: Codable, Sendable {
    var frames: SampledFrames?
    var facts: VideoFacts?
    var error: VideoError?
    var pixelBytes = 0
}

/// Messages on the socket between parent and child: four bytes of length, little endian, then JSON.
enum Wire {
    static let longestMessage = 64 << 20

    static func encode(_ message: some Encodable) throws -> [UInt8] {
        let body = try JSONEncoder().encode(message)
        let length = UInt32(body.count)
        return (0..<4).map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) } + body
    }

    static func decode<Message: Decodable>(
        _ type: Message.Type, from body: some Sequence<UInt8>
    ) throws -> Message {
        try JSONDecoder().decode(type, from: Data(body))
    }

    /// - Returns: length of the body that a header announces, nil if it is too long to be one.
    static func bodyLength(_ header: some Sequence<UInt8>) -> Int? {
        let length = header.reversed().reduce(0) { $0 << 8 | Int($1) }
        return length <= longestMessage ? length : nil
    }
}
