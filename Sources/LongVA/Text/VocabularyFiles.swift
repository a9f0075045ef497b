import FoundationEssentials

/// A byte-level vocabulary as its files give it: tokens by id, the merges that make them, and the
/// control tokens.
struct Vocabulary: Sendable {
    var tokens: TokenTable
    var encoder: BytePairEncoder
    /// Added tokens by text, such as `<|im_end|>`.
    var specials: [String: Int]
}

/// Finds and reads a tokenizer in a model's directory.
///
/// Read in this order: `vocab.json` with `merges.txt`, `tokenizer.json`, a `.tiktoken` file of
/// base64 ranks. Control tokens come from `added_tokens.json`, from `added_tokens_decoder` of
/// `tokenizer_config.json` and from `added_tokens` of `tokenizer.json`, whichever are there.
enum VocabularyFiles {
    static func load(directory: String) throws(TokenizerError) -> Vocabulary {
        let files = Set((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [])
        let path = { (name: String) in directory + "/" + name }
        let description =
            files.contains("tokenizer.json")
            ? try read(TokenizerDescription.self, path("tokenizer.json")) : nil
        let specials = try specials(directory: directory, files: files, description: description)

        if files.contains("vocab.json"), files.contains("merges.txt") {
            let spellings = try read([String: Int].self, path("vocab.json"))
            let tokens = try tokens(spellings, file: path("vocab.json"))
            let encoder = try encoder(
                tokens: tokens, spellings: spellings,
                merges: try mergeLines(path("merges.txt")), file: path("merges.txt"))
            return Vocabulary(tokens: tokens, encoder: encoder, specials: specials)
        }
        if let model = description?.model {
            let file = path("tokenizer.json")
            guard model.type == nil || model.type == "BPE" else {
                throw TokenizerError(
                    file: file, expected: "model.type BPE", found: model.type ?? "none")
            }
            let tokens = try tokens(model.vocab, file: file)
            let encoder = try encoder(
                tokens: tokens, spellings: model.vocab, merges: model.merges.pairs, file: file)
            return Vocabulary(tokens: tokens, encoder: encoder, specials: specials)
        }
        if let name = files.filter({ $0.hasSuffix(".tiktoken") }).sorted().first {
            return try TiktokenFile.load(path(name), specials: specials)
        }
        throw TokenizerError(
            file: directory,
            expected: "vocab.json with merges.txt, tokenizer.json, or a .tiktoken file",
            found: "none of them")
    }

    // MARK: Parts

    private static func specials(
        directory: String, files: Set<String>, description: TokenizerDescription?
    ) throws(TokenizerError) -> [String: Int] {
        var found: [String: Int] = [:]
        for token in description?.added_tokens ?? [] { found[token.content] = token.id }
        if files.contains("tokenizer_config.json") {
            let file = directory + "/tokenizer_config.json"
            let config = try read(TokenizerConfig.self, file)
            for (key, token) in config.added_tokens_decoder ?? [:] {
                guard let id = Int(key) else {
                    throw TokenizerError(
                        file: file, expected: "ids as keys of added_tokens_decoder", found: key)
                }
                found[token.content] = id
            }
        }
        if files.contains("added_tokens.json") {
            let added = try read([String: Int].self, directory + "/added_tokens.json")
            found.merge(added) { $1 }
        }
        if let wrong = found.first(where: { !(0..<Int(Int32.max)).contains($0.value) }) {
            throw TokenizerError(
                file: directory, expected: "an id for \(wrong.key)", found: "\(wrong.value)")
        }
        return found
    }

    /// Tokens by id. The ids must be 0 ..< count, each once.
    private static func tokens(
        _ spellings: [String: Int], file: String
    ) throws(TokenizerError) -> TokenTable {
        var byID = [[UInt8]?](repeating: nil, count: spellings.count)
        for (spelling, id) in spellings {
            guard byID.indices.contains(id), byID[id] == nil else {
                throw TokenizerError(
                    file: file, expected: "\(spellings.count) tokens with ids from 0 on, each once",
                    found: "id \(id) for “\(spelling)”")
            }
            guard let bytes = ByteAlphabet.bytes(of: spelling), !bytes.isEmpty else {
                throw TokenizerError(
                    file: file, expected: "tokens spelled in the byte-level alphabet",
                    found: "“\(spelling)”")
            }
            byID[id] = bytes
        }
        var table = TokenTable()
        for bytes in byID { table.append(bytes ?? []) }
        return table
    }

    private static func encoder(
        tokens: TokenTable, spellings: [String: Int], merges: [(String, String)], file: String
    ) throws(TokenizerError) -> BytePairEncoder {
        var encoder = BytePairEncoder(byteIDs: try byteIDs(tokens, file: file))
        encoder.reserveCapacity(merges.count)
        for (left, right) in merges {
            guard let a = spellings[left], let b = spellings[right],
                let merged = spellings[left + right]
            else {
                throw TokenizerError(
                    file: file, expected: "merges of tokens in the vocabulary",
                    found: "“\(left)” and “\(right)”")
            }
            encoder.append(left: Int32(a), right: Int32(b), becomes: Int32(merged))
        }
        return encoder
    }

    /// The id of each byte as a token of its own; every byte must have one.
    static func byteIDs(_ tokens: TokenTable, file: String) throws(TokenizerError) -> [Int32] {
        var ids = [Int32](repeating: -1, count: 256)
        for id in 0..<tokens.count where tokens[id].count == 1 {
            for byte in tokens[id] { ids[Int(byte)] = Int32(id) }
        }
        guard let missing = ids.firstIndex(of: -1) else { return ids }
        throw TokenizerError(
            file: file, expected: "a token for each of the 256 bytes",
            found: "none for byte \(missing)")
    }

    // MARK: Reading

    static func contents(_ file: String) throws(TokenizerError) -> Data {
        do {
            return try Data(contentsOf: URL(filePath: file))
        } catch {
            throw TokenizerError(file: file, message: "cannot be read: \(error)")
        }
    }

    private static func read<Value: Decodable>(
        _ type: Value.Type, _ file: String
    ) throws(TokenizerError) -> Value {
        let data = try contents(file)
        do {
            return try JSONDecoder().decode(type, from: data)
        } catch {
            throw TokenizerError(file: file, message: "is not the expected JSON: \(error)")
        }
    }

    /// Pairs of `merges.txt`: one a line, parted by a space, after a `#version` line.
    private static func mergeLines(_ file: String) throws(TokenizerError) -> [(String, String)] {
        let text = String(decoding: try contents(file), as: UTF8.self)
        var pairs: [(String, String)] = []
        for (number, line) in text.utf8.split(whereSeparator: { $0 == 10 || $0 == 13 }).enumerated()
        {
            let line = Substring(line)
            if number == 0, line.hasPrefix("#version") { continue }
            guard let pair = MergeList.pair(line) else {
                throw TokenizerError(
                    file: file, expected: "two tokens a line", found: "“\(line)”")
            }
            pairs.append(pair)
        }
        return pairs
    }
}

/// The parts of `tokenizer.json` that matter here.
private struct TokenizerDescription: Decodable {
    struct Model: Decodable {
        var type: String?
        var vocab: [String: Int]
        var merges: MergeList
    }

    var added_tokens: [AddedToken]?
    var model: Model
}

private struct TokenizerConfig: Decodable {
    struct Added: Decodable {
        var content: String
    }

    var added_tokens_decoder: [String: Added]?
}

private struct AddedToken: Decodable {
    var id: Int
    var content: String
}

/// Merges of `tokenizer.json`: older files write `"a b"`, newer ones `["a", "b"]`.
private struct MergeList: Decodable {
    var pairs: [(String, String)]

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let lines = try? container.decode([String].self) {
            pairs = try lines.map { line in
                guard let pair = Self.pair(line[...]) else {
                    throw DecodingError.dataCorruptedError(
                        in: container, debugDescription: "“\(line)” is not two tokens")
                }
                return pair
            }
        } else {
            pairs = try container.decode([[String]].self).map { parts in
                guard parts.count == 2 else {
                    throw DecodingError.dataCorruptedError(
                        in: container, debugDescription: "\(parts) is not two tokens")
                }
                return (parts[0], parts[1])
            }
        }
    }

    /// Both sides of the one space in `line`. (A space byte is never spelled as a space.)
    static func pair(_ line: Substring) -> (String, String)? {
        let parts = line.utf8.split(separator: 0x20, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
        return (String(Substring(parts[0])), String(Substring(parts[1])))
    }
}
