import SparsePrefill
import Torch

/// A request whose prompt has gone through the decoder.
struct PrefilledAnswer {
    let chat: ChatPrompt
    let visualKept: [Int]?
    let visualTokens: Int
    let logits: Tensor
    let reports: [LayerReport]
    var sequence: DecodingSequence
    let visionMS: Double
    let prefillMS: Double
    var generateMS = 0.0
}

/// Requests that are decoded together. Those that failed before have no part in it.
struct AnswerGroup {
    private(set) var answers: [Result<PrefilledAnswer, any Error>] = []
    private let limit: Limit

    /// How many sequences, and bytes of their caches, are held at a time.
    struct Limit {
        var sequences = 1
        var cacheBytes = Int64.max
    }

    init(limit: Limit) { self.limit = limit }

    mutating func add(_ answer: Result<PrefilledAnswer, any Error>) { answers.append(answer) }

    /// Whether a further one might be too many: it is taken for as large as the largest.
    var isFull: Bool {
        let bytes = answers.compactMap { (try? $0.get())?.sequence.cache.byteCount }
        return answers.count >= limit.sequences
            || bytes.reduce(0, +) + (bytes.max() ?? 0) > limit.cacheBytes
    }

    mutating func replace(_ index: Int, _ answer: Result<PrefilledAnswer, any Error>) {
        answers[index] = answer
    }
}

/// Decoding: until an end token or the limit. The first token needs no forward pass of its own; the last
/// one generated is never fed back.
extension LongVAModel {
    var greedy: GreedyDecoding {
        GreedyDecoding(
            tokenCount: tokenizer.count, repetitionPenalty: generation.repetitionPenalty)
    }

    /// One where the device has no kernels for it: then nothing is gained.
    var togetherLimit: AnswerGroup.Limit {
        get throws {
            guard let memory = try graphDecoders.deviceMemory(decoder) else {
                return AnswerGroup.Limit()
            }
            return AnswerGroup.Limit(
                sequences: DecodeTarget.mostSequences, cacheBytes: Int64(memory / 4))
        }
    }

    func generate(
        _ answer: inout PrefilledAnswer, progress: (String, Double) throws -> Void
    ) throws {
        var clock = StageClock()
        func tell(_ sequence: DecodingSequence) throws {
            try progress("decode_text", Double(sequence.ids.count) / Double(sequence.limit))
        }
        if !answer.sequence.isDone, answer.sequence.cache.isPlain,
            let graph = try graphDecoder(sequences: 1)
        {
            var running = [answer.sequence]
            try graph.decode(&running, endOfSequence: generation.endOfSequence) {
                try tell($1[0])
            }
            answer.sequence = running[0]
        } else {
            while !answer.sequence.isDone {
                try tell(answer.sequence)
                try answer.sequence.step(
                    by: decoder, greedy, endOfSequence: generation.endOfSequence)
            }
        }
        answer.generateMS = clock.lap()
    }

    /// Decodes the group's sequences: those with plain caches at the same time where there are kernels for
    /// it, the others one after the other. `generateMS` of the former is that of all of them.
    ///
    /// - Parameter progress: what it throws ends decoding; what a single sequence throws becomes its
    ///   result.
    func decodeTogether(_ group: inout AnswerGroup, progress: () throws -> Void) throws {
        var open = group.answers.indices.filter {
            guard let answer = try? group.answers[$0].get() else { return false }
            return !answer.sequence.isDone
        }
        let plain = open.filter { (try? group.answers[$0].get())?.sequence.cache.isPlain == true }
        if plain.count > 1, let graph = try graphDecoder(sequences: plain.count) {
            var clock = StageClock()
            var answers = try plain.map { try group.answers[$0].get() }
            var running = answers.map(\.sequence)
            try graph.decode(&running, endOfSequence: generation.endOfSequence) { _, _ in
                try progress()
            }
            let milliseconds = clock.lap()
            for (place, index) in plain.enumerated() {
                answers[place].sequence = running[place]
                answers[place].generateMS = milliseconds
                group.replace(index, .success(answers[place]))
            }
            open.removeAll { plain.contains($0) }
        }
        for index in open {
            var interruption: (any Error)?
            let result = Result {
                var answer = try group.answers[index].get()
                try generate(&answer) { _, _ in
                    do { try progress() } catch {
                        interruption = error
                        throw error
                    }
                }
                return answer
            }
            if let interruption { throw interruption }
            group.replace(index, result)
        }
    }

    private func graphDecoder(sequences: Int) throws -> GraphDecoder? {
        try graphDecoders.decoder(
            decoder, sequences: sequences, tokenCount: tokenizer.count,
            repetitionPenalty: generation.repetitionPenalty)
    }
}
