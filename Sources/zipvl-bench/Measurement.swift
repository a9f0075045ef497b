import FoundationEssentials

/// Times of repeated runs, in milliseconds.
struct Measurement {
    private var samples: [Double] = []

    var count: Int { samples.count }

    mutating func add(_ milliseconds: Double) { samples.append(milliseconds) }

    var median: Double {
        let sorted = samples.sorted()
        guard !sorted.isEmpty else { return .nan }
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    var least: Double { samples.min() ?? .nan }
    var most: Double { samples.max() ?? .nan }
}

/// One JSON object on one line of standard output, keys sorted.
func printLine(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    print(String(decoding: try encoder.encode(value), as: UTF8.self))
}
