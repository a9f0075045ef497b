import FoundationEssentials
import LongVA
import Testing

@Suite("Tokenizer files that are wrong are named")
struct TokenizerFilesTests {
    /// The message for a copy of a fixture in which `change` was made.
    private func failure(
        of fixture: String, _ change: (String) throws -> Void
    ) throws -> TokenizerError? {
        try TokenizerFixture.withDirectory { directory in
            let source = TokenizerFixture.path("tokenizers/" + fixture)
            for name in try FileManager.default.contentsOfDirectory(atPath: source) {
                try FileManager.default.copyItem(
                    atPath: source + "/" + name, toPath: directory + "/" + name)
            }
            try change(directory)
            return #expect(throws: TokenizerError.self) {
                _ = try Qwen2Tokenizer(directory: directory)
            }
        }
    }

    private func text(_ name: String, in directory: String) throws -> String {
        try String(contentsOfFile: directory + "/" + name, encoding: .utf8)
    }

    @Test("A directory without a tokenizer says what it should hold")
    func noFiles() throws {
        let error = try failure(of: "tokenizer") {
            try FileManager.default.removeItem(atPath: $0 + "/tokenizer.json")
        }
        #expect(error?.message.contains("vocab.json with merges.txt") == true)
    }

    @Test("Missing control tokens name the one that is missing")
    func noControlTokens() throws {
        let error = try failure(of: "tiktoken") {
            try TokenizerFixture.write(
                #"{"<|endoftext|>": 600, "<|im_start|>": 601}"#, to: "added_tokens.json", in: $0)
        }
        #expect(error?.message.contains("<|im_end|>") == true)
    }

    @Test("A rank that no lower ranks make, a rank twice, and a line that is no base64 are refused")
    func brokenRanks() throws {
        for (line, words) in [
            ("enp6enp6enp6 600\n", "rank 600"), ("IQ== 5\n", "rank 5 twice"),
            ("*** 600\n", "base64"), ("enp6enp6 900\n", "no rank 600"),
        ] {
            let error = try failure(of: "tiktoken") {
                let ranks = try text("qwen.tiktoken", in: $0)
                try TokenizerFixture.write(ranks + line, to: "qwen.tiktoken", in: $0)
            }
            #expect(error?.file.hasSuffix("qwen.tiktoken") == true)
            #expect(error?.message.contains(words) == true, "\(String(describing: error))")
        }
    }

    @Test("A merge of tokens that are not in the vocabulary is refused")
    func unknownMerge() throws {
        let error = try failure(of: "vocab") {
            let merges = try text("merges.txt", in: $0)
            try TokenizerFixture.write(merges + "zzz zzz\n", to: "merges.txt", in: $0)
        }
        #expect(error?.file.hasSuffix("merges.txt") == true)
        #expect(error?.message.contains("zzz") == true)
    }

    @Test("Ids with a gap, and a byte without a token, are refused")
    func brokenVocabulary() throws {
        let gap = try failure(of: "vocab") {
            try TokenizerFixture.write(#"{"a": 0, "b": 2}"#, to: "vocab.json", in: $0)
        }
        #expect(gap?.message.contains("id 2") == true)
        let byte = try failure(of: "vocab") {
            try TokenizerFixture.write(#"{"a": 0, "b": 1}"#, to: "vocab.json", in: $0)
        }
        #expect(byte?.message.contains("256 bytes") == true)
    }

    @Test("Broken JSON, and a tokenizer of another kind, name the file")
    func brokenDescription() throws {
        for content in ["{", #"{"model": {"type": "Unigram", "vocab": {}, "merges": []}}"#] {
            let error = try failure(of: "tokenizer") {
                try TokenizerFixture.write(content, to: "tokenizer.json", in: $0)
            }
            #expect(error?.file.hasSuffix("tokenizer.json") == true)
        }
    }

    @Test("An added token among the vocabulary's own ids is not shown")
    func addedTokenInVocabulary() throws {
        try TokenizerFixture.withDirectory { directory in
            let ranks = try text(
                "qwen.tiktoken", in: TokenizerFixture.path("tokenizers/tiktoken"))
            try TokenizerFixture.write(ranks, to: "qwen.tiktoken", in: directory)
            try TokenizerFixture.write(
                #"{"<|endoftext|>": 1, "<|im_start|>": 2, "<|im_end|>": 3}"#,
                to: "added_tokens.json", in: directory)
            let tokenizer = try Qwen2Tokenizer(directory: directory)
            #expect(tokenizer.count == 600)
            #expect(tokenizer.decode([0, 1, 3, 0]) == "!!")
        }
    }

    @Test("Line ends of another system make no difference")
    func carriageReturns() throws {
        try TokenizerFixture.withDirectory { directory in
            let source = TokenizerFixture.path("tokenizers/vocab")
            for name in ["vocab.json", "merges.txt", "tokenizer_config.json"] {
                let lines = try text(name, in: source).utf8.split(separator: 10)
                let joined = lines.map { String(Substring($0)) }.joined(separator: "\r\n")
                try TokenizerFixture.write(joined, to: name, in: directory)
            }
            let expected = try Qwen2Tokenizer(directory: source).encode("the other thing")
            #expect(try Qwen2Tokenizer(directory: directory).encode("the other thing") == expected)
            #expect(expected.count < 12)
        }
    }
}
