/// Text from outside as it can be shown on a terminal.
package enum Printable {
    /// Control characters, and those that change the direction of writing, become `\n`, `\u{1b}` and
    /// the like. What is left is one line.
    package static func line(_ text: String) -> String {
        escape(text, keepsNewlines: false)
    }

    /// As `line`, with line ends left as they are.
    package static func lines(_ text: String) -> String {
        escape(text, keepsNewlines: true)
    }

    /// Bytes that may be no UTF-8: `caf\xe9.mp4`.
    static func bytes(_ bytes: some Sequence<UInt8>) -> String {
        var result = ""
        for byte in bytes {
            if (0x20..<0x7F).contains(byte) {
                result.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                result += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return result
    }

    private static func escape(_ text: String, keepsNewlines: Bool) -> String {
        guard needsEscapes(text) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": result += keepsNewlines ? "\n" : "\\n"
            case "\r": result += "\\r"
            case "\t": result += keepsNewlines ? "\t" : "\\t"
            case _ where isControl(scalar):
                result += "\\u{" + String(scalar.value, radix: 16) + "}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    package static func needsEscapes(_ text: String) -> Bool {
        text.unicodeScalars.contains(where: isControl)
    }

    /// C0, DEL, C1, line and paragraph separators, marks that turn the direction of writing.
    package static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
