import Foundation
import GRDB

/// What a column holds, in either database.
typealias ColumnValue = DatabaseValueConvertible & PostgresValue & PostgresDecodable

/// A row of a result, of whichever database. Whatever somebody else wrote into the tables is an error,
/// not an end.
protocol ColumnReader {
    /// The value of a column, or `nil`.
    ///
    /// - Throws: where there is no such column, or a value of another type
    func optional<Value: ColumnValue>(_ column: String) throws -> Value?
    func isSet(_ column: String) throws -> Bool
}

extension ColumnReader {
    /// The value of a column that may not be NULL.
    func value<Value: ColumnValue>(_ column: String) throws -> Value {
        guard let value: Value = try optional(column) else {
            throw QueueError(.corrupt, "column \(column): expected a value, found NULL")
        }
        return value
    }

    func state() throws -> JobState {
        let text: String = try value("state")
        guard let state = JobState(rawValue: text) else {
            throw QueueError(.corrupt, "column state: unknown state \(text)")
        }
        return state
    }

    func errorClass() throws -> ErrorClass? {
        let text: String? = try optional("error_class")
        return text.flatMap(ErrorClass.init(rawValue:))
    }

    func texts(_ column: String) throws -> [String]? {
        guard let text: String = try optional(column) else { return nil }
        return try JSONText.decode(text, column: column)
    }

    func substitutedFrames() throws -> [SubstitutedFrame] {
        guard let text: String = try optional("substituted_frames") else { return [] }
        do {
            return try JSONDecoder().decode([SubstitutedFrame].self, from: Data(text.utf8))
        } catch {
            throw QueueError(
                .corrupt,
                "column substituted_frames: expected a list of [row, requested, shown]: \(text)")
        }
    }
}

extension Row: ColumnReader {
    func optional<Value: ColumnValue>(_ column: String) throws -> Value? {
        try decode(Value?.self, forColumn: column)
    }

    func isSet(_ column: String) throws -> Bool {
        try decode(DatabaseValue.self, forColumn: column) != .null
    }
}

/// Lists as JSON columns.
enum JSONText {
    static func encode(_ texts: [String]) -> String {
        // Encoding an array of strings cannot fail.
        guard let data = try? JSONEncoder().encode(texts) else { return "[]" }
        return String(decoding: data, as: UTF8.self)
    }

    /// - Returns: `nil` for none
    static func encode(_ frames: [SubstitutedFrame]) -> String? {
        // Encoding numbers cannot fail.
        guard !frames.isEmpty, let data = try? JSONEncoder().encode(frames) else { return nil }
        return String(decoding: data, as: UTF8.self)
    }

    static func decode(_ text: String, column: String) throws(QueueError) -> [String] {
        do {
            return try JSONDecoder().decode([String].self, from: Data(text.utf8))
        } catch {
            throw QueueError(.corrupt, "column \(column): expected a JSON list of texts: \(text)")
        }
    }
}
