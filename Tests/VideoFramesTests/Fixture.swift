import FoundationEssentials

/// Files that stand beside the tests.
enum Fixture {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent()

    static func decode<Value: Decodable>(_ type: Value.Type, from name: String) throws -> Value {
        let url = folder.appending(path: "Fixtures").appending(path: name)
        return try JSONDecoder().decode(type, from: Data(contentsOf: url))
    }
}
