import LongVA
import Testing

@Suite("Text is cut as Qwen2's split pattern cuts it")
struct PreTokenizerTests {
    private func pieces(_ text: String) -> [String] {
        let scalars = Array(text.unicodeScalars)
        return PreTokenizer.pieces(of: scalars).map { range in
            var view = String.UnicodeScalarView()
            view.append(contentsOf: scalars[range])
            return String(view)
        }
    }

    @Test(
        "Each alternative of the pattern",
        arguments: [
            ("", []),
            ("don't we'LL", ["don", "'t", " we", "'LL"]),
            ("'sa 'xy 'r", ["'s", "a", " '", "xy", " '", "r"]),
            ("'s'S'\u{17F}'re'Ve'lL'd", ["'s", "'S", "'\u{17F}", "'re", "'Ve", "'lL", "'d"]),
            ("'\u{17F}a", ["'\u{17F}", "a"]),
            ("1234 5", ["1", "2", "3", "4", " ", "5"]),
            ("Ⅳ½²٣", ["Ⅳ", "½", "²", "٣"]),
            ("a_b-c", ["a", "_b", "-c"]),
            ("x += 1;\n\n y", ["x", " +=", " ", "1", ";\n\n", " y"]),
            ("  a", [" ", " a"]),
            ("\t\ta", ["\t", "\ta"]),
            ("a  !", ["a", " ", " !"]),
            ("\t!", ["\t", "!"]),
            ("a \n \r\n  b", ["a", " \n \r\n", " ", " b"]),
            ("a   ", ["a", "   "]),
            ("a \u{2003}1", ["a", " ", "\u{2003}", "1"]),
            ("\u{A0}a\u{3000}", ["\u{A0}a", "\u{3000}"]),
            // A zero-width space and the separators U+001C to U+001F are not white space.
            ("a\u{200B}\u{1C}!", ["a", "\u{200B}\u{1C}!"]),
            // A mark is neither letter nor white space, and ends a word.
            ("क\u{93F}a", ["क", "\u{93F}a"]),
        ] as [(String, [String])])
    func alternatives(text: String, expected: [String]) {
        #expect(pieces(text) == expected)
    }

    @Test("The pieces of any text, joined, are that text")
    func piecesCover() {
        var state: UInt64 = 1
        for _ in 0..<500 {
            var scalars: [Unicode.Scalar] = []
            for _ in 0..<30 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                // Mostly ASCII, where the pattern has most to say.
                let limit: UInt64 = state >> 63 == 0 ? 0x80 : 0x1_1000
                if let scalar = Unicode.Scalar(UInt32((state >> 33) % limit)) {
                    scalars.append(scalar)
                }
            }
            let ranges = PreTokenizer.pieces(of: scalars)
            #expect(ranges.allSatisfy { !$0.isEmpty })
            #expect(ranges.flatMap { scalars[$0] } == scalars)
            #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
        }
    }
}
