import FoundationEssentials

/// `generation_config.json`: only what greedy decoding uses.
package struct GenerationConfiguration: Sendable, Equatable {
    /// Ids that end an answer.
    package var endOfSequence: Set<Int>
    /// Applied to tokens generated so far, never to the prompt (it enters as embeddings).
    package var repetitionPenalty: Float

    private struct Raw: Decodable {
        var eos_token_id: OneOrMany?
        var repetition_penalty: Double?
    }

    private struct OneOrMany: Decodable {
        let values: [Int]

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            values = try (try? container.decode([Int].self)) ?? [container.decode(Int.self)]
        }
    }

    /// The file may be missing: then nothing is penalised and the tokenizer's two end tokens stop.
    /// - Parameter defaultEnd: `<|im_end|>` and `<|endoftext|>` of the tokenizer.
    package init(directory: String, defaultEnd: Set<Int>) throws {
        let path = directory + "/generation_config.json"
        guard FileManager.default.fileExists(atPath: path) else {
            endOfSequence = defaultEnd
            repetitionPenalty = 1
            return
        }
        let raw: Raw = try decodeJSON(path)
        endOfSequence = defaultEnd.union(raw.eos_token_id?.values ?? [])
        let penalty = raw.repetition_penalty ?? 1
        guard penalty > 0 else {
            throw ModelError(
                .configuration, "\(path): repetition_penalty must be positive, found \(penalty)")
        }
        repetitionPenalty = Float(penalty)
    }
}
