package import FoundationEssentials

/// One pattern for each head of each layer, as MInference publishes them (microsoft/MInference,
/// minference/configs): a JSON list with one object for each layer, from the head's number to
/// `[pattern, size, size, score]`.
///
/// Encoding gives the same format with every score 1: how a pattern was found does not change what it
/// computes.
package struct MInferencePatterns: Hashable, Sendable {
    /// By layer, then by query head; heads that are not named have `MInferencePattern.standard`.
    package let layers: [[Int: MInferencePattern]]

    package init() { layers = [] }

    package init(layers: [[Int: MInferencePattern]]) { self.layers = layers }

    /// - Throws: `MInferencePatternsError` naming the file, the layer and the head, what was expected and
    ///   what was found.
    package init(contentsOf path: String) throws {
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw MInferencePatternsError("cannot be read: \(error)").of(path)
        }
        try self.init(json: data, path: path)
    }

    /// - Parameter path: the file that errors name.
    package init(json: Data, path: String) throws {
        do {
            self = try JSONDecoder().decode(MInferencePatterns.self, from: json)
        } catch let error as MInferencePatternsError {
            throw error.of(path)
        } catch {
            throw MInferencePatternsError("is not JSON: \(error)").of(path)
        }
    }

    package subscript(layer: Int, head: Int) -> MInferencePattern {
        guard layers.indices.contains(layer) else { return .standard }
        return layers[layer][head] ?? .standard
    }

    /// What makes the patterns those of another model; `nil` when nothing does.
    package func problem(layerCount: Int, heads: Int) -> String? {
        guard layers.count <= layerCount else {
            return "patterns for \(layers.count) layers, but the model has \(layerCount)"
        }
        for (layer, patterns) in layers.enumerated() {
            if let head = patterns.keys.filter({ $0 >= heads }).min() {
                return "layer \(layer) has a pattern for head \(head), "
                    + "but the model has \(heads) heads"
            }
        }
        return nil
    }

    /// The published format, one line a layer.
    ///
    /// - Parameter score: what is written beside a head's pattern.
    package func json(score: (_ layer: Int, _ head: Int) -> Double = { _, _ in 1 }) -> String {
        let lines = layers.enumerated().map { layer, patterns in
            let entries = patterns.sorted { $0.key < $1.key }.map { head, pattern in
                let sizes = pattern.sizes.map { "\($0)" }.joined(separator: ", ")
                let kind = pattern.kind.rawValue
                return "\"\(head)\": [\"\(kind)\", \(sizes), \(score(layer, head))]"
            }
            return "{" + entries.joined(separator: ", ") + "}"
        }
        return "[" + lines.joined(separator: ",\n") + "]\n"
    }
}

extension MInferencePatterns: Codable {
    package init(from decoder: any Decoder) throws {
        guard case .list(let values) = try MInferenceEntry(from: decoder) else {
            throw MInferencePatternsError("expected a list with one object for each layer")
        }
        layers = try values.enumerated().map { layer, value in
            guard case .object(let entries) = value else {
                throw MInferencePatternsError(
                    "layer \(layer): expected an object from head to pattern, found \(value)")
            }
            var patterns: [Int: MInferencePattern] = [:]
            for (name, entry) in entries.sorted(by: { $0.key < $1.key }) {
                guard let head = Int(name), head >= 0, name == "\(head)" else {
                    throw MInferencePatternsError(
                        "layer \(layer): expected the number of a head, found \"\(name)\"")
                }
                patterns[head] = try entry.pattern(layer: layer, head: head)
            }
            return patterns
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var list = encoder.unkeyedContainer()
        for patterns in layers {
            var object = list.nestedContainer(keyedBy: HeadKey.self)
            for (head, pattern) in patterns.sorted(by: { $0.key < $1.key }) {
                var entry = object.nestedUnkeyedContainer(forKey: HeadKey(intValue: head))
                try entry.encode(pattern.kind.rawValue)
                for size in pattern.sizes { try entry.encode(size) }
                try entry.encode(1)
            }
        }
    }

    private struct HeadKey: CodingKey {
        let head: Int
        var stringValue: String { "\(head)" }
        var intValue: Int? { head }

        init(intValue: Int) { head = intValue }

        init?(stringValue: String) {
            guard let head = Int(stringValue) else { return nil }
            self.head = head
        }
    }
}

/// What is wrong with a file of patterns.
package struct MInferencePatternsError: Error, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }

    fileprivate func of(_ path: String) -> MInferencePatternsError {
        MInferencePatternsError("\(path): \(description)")
    }
}
