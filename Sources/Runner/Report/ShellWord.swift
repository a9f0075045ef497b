/// Words of a command that a person copies into a shell.
package enum ShellWord {
    private static let plain = Set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-".unicodeScalars)

    /// One word, whatever is in it. Characters that a page or a terminal does not show as they are become
    /// escapes of `$'…'` (bash, zsh, ksh).
    package static func quoted(_ text: String) -> String {
        if !text.isEmpty, text.unicodeScalars.allSatisfy({ plain.contains($0) }) { return text }
        guard !HTML.isPlain(text) else {
            return "'" + text.replacing("'", with: "'\\''") + "'"
        }
        var word = "$'"
        for scalar in text.unicodeScalars {
            switch scalar {
            case "'", "\\": word += "\\\(scalar)"
            case "\n": word += "\\n"
            case "\t": word += "\\t"
            case _ where HTML.isPlain(String(scalar)): word.unicodeScalars.append(scalar)
            case _ where scalar.value < 0x80: word += "\\x" + hex(scalar.value, 2)
            case _ where scalar.value > 0xFFFF: word += "\\U" + hex(scalar.value, 8)
            default: word += "\\u" + hex(scalar.value, 4)
            }
        }
        return word + "'"
    }

    /// An option and its value, which may begin with a hyphen.
    package static func option(_ name: String, _ value: String) -> String {
        value.hasPrefix("-") ? "\(name)=\(quoted(value))" : "\(name) \(quoted(value))"
    }

    private static func hex(_ value: UInt32, _ digits: Int) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
