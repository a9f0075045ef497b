import FoundationEssentials

/// A `.tiktoken` file: a line for each token, its bytes in base64, a space, its rank, which is its id.
enum TiktokenFile {
    /// Ranks say which tokens exist, not which pair each is merged from. That pair is what the
    /// lower ranks make of the token's own bytes, so merges are added in the order of the ranks.
    static func load(
        _ file: String, specials: [String: Int]
    ) throws(TokenizerError) -> Vocabulary {
        let tokens = try tokens(file)
        var encoder = BytePairEncoder(byteIDs: try VocabularyFiles.byteIDs(tokens, file: file))
        encoder.reserveCapacity(tokens.count)
        var parts: [Int] = []
        for id in 0..<tokens.count where tokens[id].count > 1 {
            parts.removeAll(keepingCapacity: true)
            encoder.encode(tokens[id], into: &parts)
            guard parts.count == 2 else {
                throw TokenizerError(
                    file: file, expected: "rank \(id) to be two tokens of lower rank",
                    found: "\(parts.count)")
            }
            encoder.append(left: Int32(parts[0]), right: Int32(parts[1]), becomes: Int32(id))
        }
        return Vocabulary(tokens: tokens, encoder: encoder, specials: specials)
    }

    private static func tokens(_ file: String) throws(TokenizerError) -> TokenTable {
        let text = String(decoding: try VocabularyFiles.contents(file), as: UTF8.self)
        var byRank: [Int: Data] = [:]
        for line in text.utf8.split(whereSeparator: { $0 == 10 || $0 == 13 }) {
            let parts = line.split(separator: 0x20)
            guard parts.count == 2, let rank = Int(Substring(parts[1])),
                let bytes = Data(base64Encoded: String(Substring(parts[0]))), !bytes.isEmpty
            else {
                throw TokenizerError(
                    file: file, expected: "base64 and a rank on each line",
                    found: "“\(Substring(line))”")
            }
            guard byRank.updateValue(bytes, forKey: rank) == nil else {
                throw TokenizerError(
                    file: file, expected: "each rank once", found: "rank \(rank) twice")
            }
        }
        var table = TokenTable()
        for rank in 0..<byRank.count {
            guard let bytes = byRank[rank] else {
                throw TokenizerError(
                    file: file, expected: "\(byRank.count) ranks from 0 on",
                    found: "no rank \(rank)")
            }
            table.append(bytes)
        }
        return table
    }
}
