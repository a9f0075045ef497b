/// Well-formed markup. Literals are the program's own and stand as they are; every text that is
/// interpolated is escaped, whoever wrote it:
///
///     let cell: HTML = "<td>\(row.question)</td>"
///
/// The result is HTML and XML at once: elements are closed, and no text can open one.
package struct HTML: Sendable, Equatable, ExpressibleByStringInterpolation {
    package private(set) var markup: String

    package init() { markup = "" }

    package init(stringLiteral value: String) { markup = value }

    package init(stringInterpolation: StringInterpolation) { markup = stringInterpolation.markup }

    package static func + (a: HTML, b: HTML) -> HTML {
        var result = a
        result.markup += b.markup
        return result
    }

    package static func += (a: inout HTML, b: HTML) { a.markup += b.markup }

    package var isEmpty: Bool { markup.isEmpty }

    package struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var markup = ""

        package init(literalCapacity: Int, interpolationCount: Int) {
            markup.reserveCapacity(literalCapacity + 16 * interpolationCount)
        }

        package mutating func appendLiteral(_ literal: String) { markup += literal }
        package mutating func appendInterpolation(_ text: String) { HTML.escape(text, to: &markup) }
        package mutating func appendInterpolation(_ number: some BinaryInteger) {
            markup += String(number)
        }
        package mutating func appendInterpolation(_ html: HTML) { markup += html.markup }
        package mutating func appendInterpolation(_ parts: [HTML]) {
            for part in parts { markup += part.markup }
        }
    }
}

extension HTML {
    /// What a text looks like on the page, before escaping: characters that cannot be seen, that no XML
    /// may hold, or that turn the direction of what follows them are spelled out.
    package static func visible(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars { append(visible: scalar, to: &result) }
        return result
    }

    /// Whether the page shows the text as it is.
    package static func isPlain(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0 != "\n" && $0 != "\t" && !isHidden($0) }
    }

    fileprivate static func escape(_ text: String, to markup: inout String) {
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": markup += "&amp;"
            case "<": markup += "&lt;"
            case ">": markup += "&gt;"
            case "\"": markup += "&quot;"
            case "'": markup += "&#39;"
            default: append(visible: scalar, to: &markup)
            }
        }
    }

    private static func append(visible scalar: Unicode.Scalar, to text: inout String) {
        guard isHidden(scalar) else { return text.unicodeScalars.append(scalar) }
        if scalar.value < 0x20, let picture = Unicode.Scalar(0x2400 + scalar.value) {
            text.unicodeScalars.append(picture)
        } else {
            let digits = String(scalar.value, radix: 16, uppercase: true)
            text += "⟨U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits + "⟩"
        }
    }

    private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A: false
        case 0x00..<0x20, 0x7F...0x9F: true
        // Marks, embeddings, overrides and isolates of direction; separators of lines.
        case 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        // The byte order mark and what is no character.
        case 0xFEFF, 0xFFF9...0xFFFB, 0xFDD0...0xFDEF: true
        default: scalar.value & 0xFFFE == 0xFFFE
        }
    }
}
