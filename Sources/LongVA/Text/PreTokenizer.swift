/// Cuts text into the pieces that byte-pair merges stay inside of.
///
/// A hand-written lexer for the one pattern that Qwen2 uses, over Unicode scalars:
///
///     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*
///     |\s*[\r\n]+|\s+(?!\S)|\s+
///
/// Alternatives are tried in this order at each position, as a backtracking engine does. The pattern
/// matches every scalar, so the pieces joined are the text.
package struct PreTokenizer {
    /// What the pattern can tell apart. Marks, symbols and punctuation are all `other`.
    private enum Class {
        case letter, number, newline, space, other

        init(_ scalar: Unicode.Scalar) {
            switch scalar {
            case "\r", "\n": self = .newline
            case "a"..."z", "A"..."Z": self = .letter
            case "0"..."9": self = .number
            case " ", "\t", "\u{B}", "\u{C}": self = .space
            case "\0"..."\u{7F}": self = .other
            default:
                switch scalar.properties.generalCategory {
                case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter,
                    .otherLetter:
                    self = .letter
                case .decimalNumber, .letterNumber, .otherNumber:
                    self = .number
                default:
                    self = scalar.properties.isWhitespace ? .space : .other
                }
            }
        }
    }

    private let scalars: [Unicode.Scalar]
    private let classes: [Class]

    private init(_ scalars: [Unicode.Scalar]) {
        self.scalars = scalars
        self.classes = scalars.map(Class.init)
    }

    /// Ranges of `scalars`, in order, none empty, that together cover it.
    package static func pieces(of scalars: [Unicode.Scalar]) -> [Range<Int>] {
        let lexer = PreTokenizer(scalars)
        var pieces: [Range<Int>] = []
        var start = 0
        while start < scalars.count {
            let end = lexer.endOfPiece(from: start)
            pieces.append(start..<end)
            start = end
        }
        return pieces
    }

    private func endOfPiece(from start: Int) -> Int {
        if let end = contraction(from: start) ?? word(from: start) { return end }
        if classes[start] == .number { return start + 1 }
        return symbols(from: start) ?? whitespace(from: start)
    }

    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)`. Case folding makes the long s an s.
    private func contraction(from start: Int) -> Int? {
        guard scalars[start] == "'", start + 1 < scalars.count else { return nil }
        switch scalars[start + 1] {
        case "s", "S", "\u{17F}", "t", "T", "m", "M", "d", "D":
            return start + 2
        case let first:
            guard start + 2 < scalars.count else { return nil }
            switch (first, scalars[start + 2]) {
            case ("r", "e"), ("r", "E"), ("R", "e"), ("R", "E"),
                ("v", "e"), ("v", "E"), ("V", "e"), ("V", "E"),
                ("l", "l"), ("l", "L"), ("L", "l"), ("L", "L"):
                return start + 3
            default:
                return nil
            }
        }
    }

    /// `[^\r\n\p{L}\p{N}]?\p{L}+`: letters, and one scalar of another kind before them.
    private func word(from start: Int) -> Int? {
        switch classes[start] {
        case .letter: return end(of: .letter, from: start)
        case .number, .newline: return nil
        case .space, .other:
            let end = end(of: .letter, from: start + 1)
            return end > start + 1 ? end : nil
        }
    }

    /// ` ?[^\s\p{L}\p{N}]+[\r\n]*`: symbols, the plain space before and the line ends after them.
    private func symbols(from start: Int) -> Int? {
        let first = scalars[start] == " " ? start + 1 : start
        let last = end(of: .other, from: first)
        return last > first ? end(of: .newline, from: last) : nil
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`: up to the last line end of the run; with none, the run, less its
    /// last scalar where more text follows, which goes with that text.
    private func whitespace(from start: Int) -> Int {
        var end = start
        var afterNewline: Int?
        while end < classes.count, classes[end] == .space || classes[end] == .newline {
            end += 1
            if classes[end - 1] == .newline { afterNewline = end }
        }
        if let afterNewline { return afterNewline }
        return end < classes.count && end - start > 1 ? end - 1 : end
    }

    private func end(of kind: Class, from start: Int) -> Int {
        var end = start
        while end < classes.count, classes[end] == kind { end += 1 }
        return end
    }
}
