import Foundation

/// What a statement takes as an argument, as PostgreSQL's text form.
protocol PostgresValue: Sendable {
    var postgresText: String { get }
}

extension String: PostgresValue { var postgresText: String { self } }
extension Int: PostgresValue { var postgresText: String { String(self) } }
extension Int32: PostgresValue { var postgresText: String { String(self) } }
extension Int64: PostgresValue { var postgresText: String { String(self) } }
extension Bool: PostgresValue { var postgresText: String { self ? "t" : "f" } }
extension Double: PostgresValue {
    var postgresText: String {
        isNaN
            ? "NaN" : self == .infinity ? "Infinity" : self == -.infinity ? "-Infinity" : "\(self)"
    }
}
extension Array: PostgresValue where Element: PostgresValue {
    /// `{"a","b"}`
    var postgresText: String {
        let items = map { item in
            let text = item.postgresText
            return "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        }
        return "{" + items.joined(separator: ",") + "}"
    }
}

/// One row of a result.
struct PostgresRow: ColumnReader {
    /// What the rows of one result share.
    final class Columns {
        let names: [String]
        let types: [UInt32]
        private let places: [String: Int]

        init(names: [String], types: [UInt32]) {
            self.names = names
            self.types = types
            places = Dictionary(zip(names, 0...)) { first, _ in first }
        }

        func place(of name: String) -> Int? { places[name] }
    }

    let columns: Columns
    /// In text form; `nil` for NULL.
    let texts: [String?]

    /// The value of a column, or `nil`.
    func optional<Value: ColumnValue>(_ column: String) throws(QueueError) -> Value? {
        guard let place = columns.place(of: column) else {
            throw QueueError(.corrupt, "column \(column): is not in the result")
        }
        guard let text = texts[place] else { return nil }
        guard let value = Value(postgresText: text) else {
            throw QueueError(.corrupt, "column \(column): expected \(Value.self), found \(text)")
        }
        return value
    }

    func isSet(_ column: String) throws(QueueError) -> Bool {
        let text: String? = try optional(column)
        return text != nil
    }

    /// As a row of a view or table with its types.
    var values: [ResultRow.Value] {
        zip(texts, columns.types).map { text, type in
            guard let text else { return .null }
            switch type {
            case 20, 21, 23:  // int8, int2, int4
                return Int64(text).map { .integer($0) } ?? .text(text)
            case 700, 701, 1700:  // float4, float8, numeric
                return Double(text).map { .real($0) } ?? .text(text)
            default: return .text(text)
            }
        }
    }
}

protocol PostgresDecodable {
    init?(postgresText: String)
}

extension String: PostgresDecodable { init?(postgresText: String) { self = postgresText } }
extension Int: PostgresDecodable { init?(postgresText: String) { self.init(postgresText) } }
extension Int32: PostgresDecodable { init?(postgresText: String) { self.init(postgresText) } }
extension Int64: PostgresDecodable { init?(postgresText: String) { self.init(postgresText) } }
extension Double: PostgresDecodable { init?(postgresText: String) { self.init(postgresText) } }
extension Bool: PostgresDecodable {
    init?(postgresText: String) {
        switch postgresText {
        case "t", "1": self = true
        case "f", "0": self = false
        default: return nil
        }
    }
}
