import Foundation
import Jobs
import Runner

/// One JSON object on one line of standard output.
enum JSONLine {
    static func print(_ value: some Encodable) throws {
        Swift.print(try text(value))
    }

    static func text(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        let text = String(decoding: try encoder.encode(value), as: UTF8.self)
        return Printable.needsEscapes(text) ? escaped(text) : text
    }

    /// A row of the `results` view with its columns in their order.
    static func text(_ row: ResultRow) -> String {
        let members = row.columns.map { column in
            string(column.name) + ":" + value(column)
        }
        return "{" + members.joined(separator: ",") + "}"
    }

    private static func value(_ column: (name: String, value: ResultRow.Value)) -> String {
        switch column.value {
        case .null: "null"
        case .integer(let number):
            column.name == "correct" ? (number == 0 ? "false" : "true") : "\(number)"
        case .real(let number): number.isFinite ? "\(number)" : "null"
        // Stored as JSON: a value of its own here, not text with escapes.
        case .text(let text):
            ["options_json", "substituted_frames"].contains(column.name)
                || column.name == "warnings" && text.hasPrefix("[") ? text : string(text)
        }
    }

    /// Control characters that JSON lets stand but a terminal would obey, as escapes.
    private static func escaped(_ json: String) -> String {
        var result = ""
        for scalar in json.unicodeScalars {
            if Printable.isControl(scalar) {
                result += escape(scalar)
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func escape(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }

    static func string(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where Printable.isControl(scalar): result += escape(scalar)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
