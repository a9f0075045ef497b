import FoundationEssentials
import LongVA
import Testing

/// Where the tokenizer tests find their files.
enum TokenizerFixture {
    /// The package root: tests stand two folders below it.
    static let root = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    static func path(_ name: String) -> String { root + "/Tests/Fixtures/" + name }

    static func lines<Row: Decodable>(of name: String, as type: Row.Type) throws -> [Row] {
        let text = try String(contentsOfFile: path(name), encoding: .utf8)
        return try text.utf8.split(separator: 10).map {
            try JSONDecoder().decode(type, from: Data($0))
        }
    }

    /// Runs `body` with a new directory, and removes it after.
    static func withDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
        let directory = FileManager.default.temporaryDirectory
            .appending(path: "tokenizer-" + UUID().uuidString).path
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        return try body(directory)
    }

    static func write(_ text: String, to name: String, in directory: String) throws {
        try Data(text.utf8).write(to: URL(filePath: directory + "/" + name))
    }

    /// The full vocabulary, which is downloaded and not part of the repository.
    static let qwen2 = Result {
        let ranks = root + "/.cache/qwen.tiktoken"
        guard FileManager.default.fileExists(atPath: ranks) else {
            throw TokenizerError(
                file: ranks, message: "missing: run Tests/Fixtures/fetch_qwen_vocabulary.sh")
        }
        return try withDirectory { directory in
            try FileManager.default.copyItem(atPath: ranks, toPath: directory + "/qwen.tiktoken")
            try write(
                #"{"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645}"#,
                to: "added_tokens.json", in: directory)
            return try Qwen2Tokenizer(directory: directory)
        }
    }
}

@Suite("Token ids agree with the reference tokenizers")
struct TokenizerReferenceTests {
    struct Row: Decodable {
        var text: String
        var qwen2: [Int]
        var qwen2_8k_nospecial: [Int]
    }

    struct Awkward: Decodable {
        var text: String
        var ids: [Int]
    }

    static let formats = ["tiktoken", "vocab", "tokenizer", "tokenizer-lines"]

    /// Encodes as the reference column does: spellings of control tokens are control tokens.
    private func encodeWithControlTokens(_ text: String, _ tokenizer: Qwen2Tokenizer) -> [Int] {
        let control = [
            "<|endoftext|>": tokenizer.endOfText, "<|im_start|>": tokenizer.imStart,
            "<|im_end|>": tokenizer.imEnd,
        ]
        var ids: [Int] = []
        var plain = ""
        var rest = text[...]
        while let first = rest.unicodeScalars.first {
            if let (spelling, id) = control.first(where: { rest.hasPrefix($0.key) }) {
                ids += tokenizer.encode(plain) + [id]
                plain = ""
                rest = rest.dropFirst(spelling.count)
            } else {
                plain.unicodeScalars.append(first)
                rest = Substring(rest.unicodeScalars.dropFirst())
            }
        }
        return ids + tokenizer.encode(plain)
    }

    @Test("The full Qwen2 vocabulary gives the reference ids for every text")
    func fullVocabulary() throws {
        let tokenizer = try TokenizerFixture.qwen2.get()
        let rows = try TokenizerFixture.lines(of: "tokenizer_reference.jsonl", as: Row.self)
        #expect(rows.count == 180)
        for row in rows {
            #expect(encodeWithControlTokens(row.text, tokenizer) == row.qwen2, "\(row.text)")
        }
    }

    @Test("The embedded model's 8192 ranks give the reference ids, control tokens as plain text")
    func embeddedVocabulary() throws {
        let tokenizer = try Qwen2Tokenizer(
            directory: TokenizerFixture.root + "/Sources/EmbeddedModel/model")
        #expect(tokenizer.count == 8195)
        #expect([tokenizer.endOfText, tokenizer.imStart, tokenizer.imEnd] == [8192, 8193, 8194])
        for row in try TokenizerFixture.lines(of: "tokenizer_reference.jsonl", as: Row.self) {
            #expect(tokenizer.encode(row.text) == row.qwen2_8k_nospecial, "\(row.text)")
        }
    }

    @Test("Every file format gives the reference ids for awkward text", arguments: formats)
    func formatsAgree(format: String) throws {
        let tokenizer = try Qwen2Tokenizer(
            directory: TokenizerFixture.path("tokenizers/" + format))
        #expect(tokenizer.count == 603)
        #expect([tokenizer.endOfText, tokenizer.imStart, tokenizer.imEnd] == [600, 601, 602])
        let rows = try TokenizerFixture.lines(of: "tokenizers/reference.jsonl", as: Awkward.self)
        #expect(rows.count == 250)
        for row in rows {
            #expect(tokenizer.encode(row.text) == row.ids, "\(row.text.debugDescription)")
        }
    }

    @Test(
        "Known ids of the published tokenizer",
        arguments: [
            ("Hello world", [9707, 1879]), (" Hello world", [21927, 1879]), ("!", [0]),
            ("\n", [198]), ("\nWhat", [198, 3838]),
            (" A B C D E", [362, 425, 356, 422, 468]),
            (
                "I'LL don't 12345 3.14",
                [40, 6, 4086, 1513, 944, 220, 16, 17, 18, 19, 20, 220, 18, 13, 16, 19]
            ),
            (
                "  leading   spaces\t\ttabs\r\n\r\n  x",
                [220, 6388, 256, 12621, 197, 3244, 3435, 871, 220, 856]
            ),
            (
                "它是什么？\n\nA. 猫\nB. 狗",
                [99652, 102021, 26850, 32, 13, 10236, 234, 104, 198, 33, 13, 10236, 233, 245]
            ),
            ("\u{1100}\u{1161}", [19969]),
            ("a\u{A0}b \u{2003}c", [64, 4102, 65, 220, 378, 225, 66]),
        ])
    func knownIDs(text: String, ids: [Int]) throws {
        #expect(try TokenizerFixture.qwen2.get().encode(text) == ids)
    }

    @Test("Decoding what was encoded gives the text in composed form")
    func roundTrip() throws {
        let tokenizer = try Qwen2Tokenizer(
            directory: TokenizerFixture.path("tokenizers/tiktoken"))
        for row in try TokenizerFixture.lines(of: "tokenizers/reference.jsonl", as: Awkward.self) {
            // The ids come from text that Python composed: its bytes are the reference.
            let composed = tokenizer.decode(row.ids)
            #expect(tokenizer.decode(tokenizer.encode(row.text)) == composed)
            #expect(Array(composed.unicodeScalars) == row.text.canonicallyComposed)
        }
    }

    @Test("A combining mark composes with its base, and Tibetan vowels sort as Unicode says")
    func composition() {
        #expect("e\u{301}".canonicallyComposed == ["\u{E9}"])
        #expect("\u{212B}".canonicallyComposed == ["\u{C5}"])
        #expect("\u{958}".canonicallyComposed == ["\u{915}", "\u{93C}"])
        #expect(
            "\n\u{308}\u{F81}\u{E19}".canonicallyComposed
                == ["\n", "\u{F71}", "\u{F80}", "\u{308}", "\u{E19}"])
    }

    @Test("Decoding skips control tokens and padding ids and replaces broken UTF-8")
    func decodingOddIDs() throws {
        let tokenizer = try TokenizerFixture.qwen2.get()
        #expect(
            tokenizer.decode([151644, 9707, 151645, 1879, 151643, 151646, 152063, -200])
                == "Hello world")
        #expect(tokenizer.decode([10236, 234]) == " \u{FFFD}")
        #expect(tokenizer.decode([10236, 234, 104]) == " 猫")
    }

    @Test("A word of 100,000 letters is encoded in time that does not grow with its square")
    func longWord() throws {
        let tokenizer = try Qwen2Tokenizer(
            directory: TokenizerFixture.path("tokenizers/tiktoken"))
        let word = String(repeating: "abcdefghij", count: 10_000)
        let clock = ContinuousClock()
        var ids: [Int] = []
        let elapsed = clock.measure { ids = tokenizer.encode(word) }
        #expect(tokenizer.decode(ids) == word)
        #expect(elapsed < .seconds(20))
    }
}
