/// Qwen2's tokenizer: NFC, the split of `PreTokenizer`, then byte-level byte-pair encoding.
///
/// The behaviour is that of `Qwen2Tokenizer` in transformers (models/qwen2/tokenization_qwen2.py),
/// except that `encode` takes all text as ordinary: the spelling of a control token in a question is
/// characters, and only `ChatPrompt` places control tokens.
package struct Qwen2Tokenizer: Sendable {
    private let vocabulary: Vocabulary
    private let specialIDs: Set<Int>

    /// One more than the highest id in use. Rows of the embedding from here on are padding, and
    /// their logits must be masked.
    package let count: Int
    package let endOfText: Int
    package let imStart: Int
    package let imEnd: Int

    /// - Parameter directory: the model's directory; `VocabularyFiles` says which files are read.
    /// - Throws: `TokenizerError` naming the file, or the directory when one is missing.
    package init(directory: String) throws(TokenizerError) {
        let vocabulary = try VocabularyFiles.load(directory: directory)
        func special(_ text: String) throws(TokenizerError) -> Int {
            if let id = vocabulary.specials[text] { return id }
            throw TokenizerError(
                file: directory,
                expected:
                    "\(text) in added_tokens.json, tokenizer_config.json or tokenizer.json",
                found: "control tokens \(vocabulary.specials.keys.sorted())")
        }
        endOfText = try special("<|endoftext|>")
        imStart = try special("<|im_start|>")
        imEnd = try special("<|im_end|>")
        specialIDs = Set(vocabulary.specials.values)
        count = max(vocabulary.tokens.count, (specialIDs.max() ?? -1) + 1)
        self.vocabulary = vocabulary
    }

    /// Ids of ordinary text; never a control token.
    package func encode(_ text: String) -> [Int] {
        let scalars = text.canonicallyComposed
        var ids: [Int] = []
        var bytes: [UInt8] = []
        for piece in PreTokenizer.pieces(of: scalars) {
            bytes.removeAll(keepingCapacity: true)
            for scalar in scalars[piece] { bytes.append(contentsOf: scalar.utf8) }
            vocabulary.encoder.encode(bytes, into: &ids)
        }
        return ids
    }

    /// The text of `ids`: control tokens and ids that stand for nothing are skipped, bytes that are
    /// not UTF-8 become U+FFFD.
    package func decode(_ ids: [Int]) -> String {
        var bytes: [UInt8] = []
        for id in ids where (0..<vocabulary.tokens.count).contains(id) && !specialIDs.contains(id) {
            bytes.append(contentsOf: vocabulary.tokens[id])
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
