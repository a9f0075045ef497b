/// Finds which option an answer names.
enum ChoiceExtraction {
    private static let prefixes = [
        "the best answer is", "the correct answer is", "the answer is", "the best option is",
        "the correct option is", "best answer", "best option", "the answer", "answer", "option",
    ]

    /// The letter of the chosen option: by the option's own text, by a leading letter, by a letter in
    /// brackets or before a point, by a single capital that stands alone, or by the only option whose
    /// text occurs. `nil` when none of these tells.
    static func letter(in answer: String, choices: [String]) -> String? {
        let letters = letters(choices.count)
        if let exact = letter(ofText: answer, choices: choices) { return exact }
        let rest = withoutPrefix(answer)
        if let exact = letter(ofText: rest, choices: choices) { return exact }
        if let leading = leadingLetter(rest, letters) { return leading }
        return markedLetter(rest, letters) ?? standingLetter(rest, letters)
            ?? onlyMention(rest, choices)
    }

    /// The letter that `expected` means: an option's text or its letter.
    static func letter(ofExpected expected: String, choices: [String]) -> String? {
        if let exact = letter(ofText: expected, choices: choices) { return exact }
        let words = Scoring.words(expected)
        guard words.count == 1, let letter = words.first?.uppercased() else { return nil }
        return letters(choices.count).contains(letter) ? letter : nil
    }

    private static func letters(_ count: Int) -> [String] {
        (0..<min(count, 26)).map { String(UnicodeScalar(UInt8(65 + $0))) }
    }

    private static func letter(ofText text: String, choices: [String]) -> String? {
        let words = Scoring.words(text)
        guard !words.isEmpty else { return nil }
        let index = choices.firstIndex { Scoring.words($0) == words }
        return index.map { letters(choices.count)[$0] }
    }

    private static func withoutPrefix(_ answer: String) -> String {
        let text = trimmed(answer)
        let lower = text.lowercased()
        for prefix in prefixes where lower.hasPrefix(prefix) {
            let rest = text.dropFirst(prefix.count)
            guard let next = rest.first, !next.isLetter else { continue }
            return trimmed(String(rest.drop { $0 == ":" || $0 == " " || $0 == "\n" }))
        }
        return text
    }

    /// "B", "B.", "(B) two", "b)". A bare small letter counts only when it is the whole answer, and "A"
    /// before a word is an article.
    private static func leadingLetter(_ text: String, _ letters: [String]) -> String? {
        var rest = Substring(text)
        let isBracketed = rest.first == "("
        if isBracketed { rest = rest.dropFirst() }
        guard let first = rest.first else { return nil }
        let letter = first.uppercased()
        guard letters.contains(letter) else { return nil }
        rest = rest.dropFirst()
        guard let next = rest.first else { return letter }
        if ").:,".contains(next) { return letter }
        guard !isBracketed, first.isUppercase, next.isWhitespace, first != "A" else { return nil }
        return letter
    }

    /// "I think (C)", "it is C."
    private static func markedLetter(_ text: String, _ letters: [String]) -> String? {
        for letter in letters where text.contains("(\(letter))") { return letter }
        let words = text.split(whereSeparator: \.isWhitespace).map(String.init)
        return words.first { word in
            letters.contains { word == "\($0)." || word == "\($0):" || word == "\($0))" }
        }.map { String($0.prefix(1)) }
    }

    /// A capital that stands alone; the article only at the end of the answer.
    private static func standingLetter(_ text: String, _ letters: [String]) -> String? {
        let words = text.split { !$0.isLetter && !$0.isNumber }.map(String.init)
        let found = words.indices.filter { index in
            letters.contains(words[index]) && (words[index] != "A" || index == words.count - 1)
        }
        let distinct = Set(found.map { words[$0] })
        return distinct.count == 1 ? distinct.first : nil
    }

    private static func onlyMention(_ text: String, _ choices: [String]) -> String? {
        let words = Scoring.words(text)
        let found = choices.indices.filter { index in
            let option = Scoring.words(choices[index])
            guard !option.isEmpty, option.count <= words.count else { return false }
            return (0...words.count - option.count).contains {
                Array(words[$0..<$0 + option.count]) == option
            }
        }
        return found.count == 1 ? letters(choices.count)[found[0]] : nil
    }

    private static func trimmed(_ text: String) -> String {
        let start = text.drop { $0.isWhitespace }
        return String(start.reversed().drop { $0.isWhitespace }.reversed())
    }
}
