/// A value of a published pattern file: what it is, so that an error can show what was found.
indirect enum MInferenceEntry: Decodable, CustomStringConvertible {
    case null
    case bool(Bool)
    case number(Double)
    case text(String)
    case list([MInferenceEntry])
    case object([String: MInferenceEntry])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode([MInferenceEntry].self) {
            self = .list(value)
        } else {
            self = .object(try container.decode([String: MInferenceEntry].self))
        }
    }

    var description: String {
        switch self {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .number(let value): Int(exactly: value).map { "\($0)" } ?? "\(value)"
        case .text(let value): "\"\(value)\""
        case .list(let values): "[" + values.map(\.description).joined(separator: ", ") + "]"
        case .object(let values): "an object of \(values.count) entries"
        }
    }

    /// The pattern of an entry such as `["vertical_and_slash", 1000, 6096, 0.91]`; the score at its end
    /// says how the pattern was found and may be missing.
    /// - Throws: `MInferencePatternsError` with the place, what was expected and what was found.
    func pattern(layer: Int, head: Int) throws -> MInferencePattern {
        func refusal(_ expected: String) -> MInferencePatternsError {
            MInferencePatternsError(
                "layer \(layer), head \(head): expected \(expected), found \(self)")
        }
        let kinds = MInferencePattern.Kind.allCases.map(\.rawValue).joined(separator: ", ")
        guard case .list(let parts) = self, case .text(let name)? = parts.first else {
            throw refusal("a list of a pattern (\(kinds)), two sizes and a score")
        }
        guard let kind = MInferencePattern.Kind(rawValue: name) else {
            throw refusal("one of the patterns \(kinds)")
        }
        let numbers = parts.dropFirst().compactMap { part in
            if case .number(let value) = part { value } else { nil }
        }
        let needed = kind == .blockSparse ? 1 : 2
        let sizes = numbers.prefix(2).compactMap { Int(exactly: $0) }
        guard numbers.count == parts.count - 1, (needed...3).contains(numbers.count),
            sizes.count == min(2, numbers.count), sizes.allSatisfy({ (0...Self.largest) ~= $0 })
        else { throw refusal("whole sizes from 0 to \(Self.largest) and a score") }
        let pattern: MInferencePattern =
            switch kind {
            case .verticalAndSlash: .verticalAndSlash(vertical: sizes[0], slash: sizes[1])
            case .blockSparse: .blockSparse(blocks: sizes[0])
            case .streaming: .streaming(initial: sizes[0], local: sizes[1])
            }
        // A row that may see nothing has no softmax.
        guard sizes.prefix(needed).contains(where: { $0 > 0 }) else {
            throw refusal("at least one size above 0")
        }
        return pattern
    }

    /// Sizes are numbers of tokens.
    private static let largest = 1 << 30
}
