// The standard library composes to compare strings, but publishes it under this name only. Foundation
// has it too, at 50 MB of binary.
@_spi(_Unicode) import Swift

extension String {
    /// The scalars of this text in Unicode normalization form C.
    package var canonicallyComposed: [Unicode.Scalar] {
        // Scalars below the first combining mark are composed already.
        if unicodeScalars.allSatisfy({ $0.value < 0x300 }) { return Array(unicodeScalars) }
        var text = String.UnicodeScalarView()
        for scalar in unicodeScalars { text.append(contentsOf: scalar.tibetanVowelParts) }
        var composed: [Unicode.Scalar] = []
        for scalar in String(text)._nfc { composed.append(scalar) }
        return composed
    }
}

extension Unicode.Scalar {
    /// Three Tibetan vowels count as starters, yet decompose into marks that sort before marks in
    /// front of them. `_nfc` does not look back over a starter, so they are decomposed first.
    fileprivate var tibetanVowelParts: [Unicode.Scalar] {
        switch value {
        case 0xF73: ["\u{F71}", "\u{F72}"]
        case 0xF75: ["\u{F71}", "\u{F74}"]
        case 0xF81: ["\u{F71}", "\u{F80}"]
        default: [self]
        }
    }
}
