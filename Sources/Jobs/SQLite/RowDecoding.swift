import Foundation
import GRDB

/// Lists of texts as JSON columns.
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

/// Reading rows without trapping: whatever somebody else wrote into the file is an error, not an end.
extension Row {
    /// The value of a column that may not be NULL.
    func value<Value: DatabaseValueConvertible>(_ column: String) throws -> Value {
        try decode(Value.self, forColumn: column)
    }

    /// The value of a column, or `nil`.
    func optional<Value: DatabaseValueConvertible>(_ column: String) throws -> Value? {
        try decode(Value?.self, forColumn: column)
    }

    func isSet(_ column: String) throws -> Bool {
        try decode(DatabaseValue.self, forColumn: column) != .null
    }

    func state() throws -> JobState {
        let text: String = try value("state")
        guard let state = JobState(rawValue: text) else {
            throw QueueError(.corrupt, "column state: unknown state \(text)")
        }
        return state
    }

    func errorClass() throws -> ErrorClass? {
        try optional("error_class").flatMap { (text: String) in ErrorClass(rawValue: text) }
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

extension VideoRecord {
    /// From the columns of `videos`.
    init(row: Row) throws {
        self.init(
            contentID: try row.value("content_id"), path: try row.value("path"),
            sizeBytes: try row.value("size_bytes"), mtimeNanoseconds: try row.value("mtime_ns"),
            durationMilliseconds: try row.optional("duration_ms"),
            width: try row.optional("width_px"), height: try row.optional("height_px"),
            framesPerSecond: try row.optional("fps"),
            frameCount: try row.optional("frame_count"), codec: try row.optional("codec"),
            container: try row.optional("container"),
            probeError: try row.optional("probe_error"))
    }
}
