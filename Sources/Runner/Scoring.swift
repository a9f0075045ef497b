/// Judges an answer against the expected one, at the time it is stored.
///
/// Multiple choice: the option's letter is taken from the answer as the public evaluations of LongVA do
/// (lmms-eval's Video-MME and LongVideoBench: known prefixes removed, then the first plausible letter).
/// Numbers: as numbers. Anything else: the whole answer, whatever its case, spaces and punctuation.
package enum Scoring {
    package struct Verdict: Sendable, Equatable {
        /// Letter of the option that was chosen, for questions with choices.
        package var choice: String?
        /// `nil` when nothing was expected.
        package var correct: Bool?
    }

    package static func judge(
        _ answer: String, choices: [String]?, expected: String?
    ) -> Verdict {
        guard let choices, !choices.isEmpty else {
            return Verdict(
                choice: nil, correct: expected.map { isMatch(answer, expected: $0) })
        }
        let choice = ChoiceExtraction.letter(in: answer, choices: choices)
        let correct = expected.map { expected in
            if let wanted = ChoiceExtraction.letter(ofExpected: expected, choices: choices) {
                return choice == wanted
            }
            return isMatch(answer, expected: expected)
        }
        return Verdict(choice: choice, correct: correct)
    }

    private static func isMatch(_ answer: String, expected: String) -> Bool {
        let (found, wanted) = (words(answer), words(expected))
        if found == wanted { return true }
        // "022" is a text that happens to be made of digits.
        guard wanted.first?.wholeMatch(of: /0\d+/) == nil, let wantedNumber = number(expected)
        else { return false }
        // "There are 2." answers "2"; "2 or 3" does not.
        let parts = answer.split { " \n\t,;:!?".contains($0) }
        return Set(parts.compactMap { number(String($0)) }) == [wantedNumber]
    }

    /// Lower case, without punctuation. A sign and a decimal point inside a number are part of it.
    static func words(_ text: String) -> [String] {
        let characters = Array(text.lowercased())
        var plain = ""
        for (index, character) in characters.enumerated() {
            let next = index + 1 < characters.count ? characters[index + 1] : " "
            let previous = index > 0 ? characters[index - 1] : " "
            let isInNumber =
                next.isNumber
                && (character == "." && previous.isNumber
                    || character == "-" && !previous.isLetter && !previous.isNumber)
            if character.isLetter || character.isNumber || isInNumber {
                plain.append(character)
            } else if character != "'" && character != "\u{2019}" {
                plain.append(" ")
            }
        }
        return plain.split(separator: " ").map(String.init)
    }

    private static let names = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve",
    ]

    /// The number that a text is, in digits or as a small word.
    private static func number(_ text: String) -> Double? {
        let words = words(text)
        guard words.count == 1, let word = words.first else { return nil }
        if let index = names.firstIndex(of: word) { return Double(index) }
        return Double(word)
    }
}
