package import Jobs
import LongVA
package import VideoFrames

/// The real engine: frames from the sampling child, answers from the model's thread.
package struct LongVAEvaluationEngine: EvaluationEngine {
    private let source: FrameSource
    private let model: EngineActor
    private let reference: ModelReference
    private let side: Int

    /// - Throws: `ModelError` for a model whose configuration cannot be read
    package init(
        sampler: SamplerProcess, cache: FrameCache? = nil,
        decoding: DecodingChoice = DecodingChoice(), model: EngineActor,
        reference: ModelReference
    ) throws {
        source = FrameSource(sampler, cache: cache, decoding: decoding)
        self.model = model
        self.reference = reference
        side = try ModelReference.imageSide(ofDirectory: reference.directory)
    }

    package func load(_ options: AnalysisOptions) async throws {
        try await model.load(key(options), keepsOthers: true)
    }

    private func key(_ options: AnalysisOptions) -> ModelKey {
        options.modelKey(reference.directory, reference.sha256)
    }

    package func frames(
        of video: String, _ options: AnalysisOptions
    ) async throws -> SampledFrames {
        try await source.frames(
            SamplingRequest(
                path: video, frames: options.frames, side: side, mode: options.sampling,
                resize: options.resize),
            timeBudget: LongVAEngine.timeBudget)
    }

    package func answer(
        _ questions: [EvaluationQuestion], _ frames: SampledFrames,
        each: @escaping @Sendable (Int, Result<Answer, any Error>) -> Void
    ) async throws {
        let batch = FrameBatch(pixels: frames.pixels, count: frames.count, side: frames.width)
        // Methods may differ in the format of the weights: each format is a model of its own, with visual
        // tokens of its own.
        for indices in questions.indicesByWeights {
            let key = key(questions[indices[0]].options)
            do { try await model.load(key, keepsOthers: true) } catch {
                indices.forEach { each($0, .failure(error)) }
                continue
            }
            ProcessMemory.resetPeak()
            try await model.answers(
                to: indices.map { questions[$0].request }, frames: batch, model: key
            ) { index, result in
                // The next answer's peak is its own.
                defer { ProcessMemory.resetPeak() }
                each(
                    indices[index],
                    result.map { reply in
                        // Judged by the evaluator.
                        Answer(
                            reply, Scoring.Verdict(choice: nil, correct: nil), frames,
                            totalMS: reply.generated.prefillMS + reply.generated.generateMS)
                    })
            }
        }
    }
}

extension EvaluationQuestion {
    fileprivate var request: AnswerRequest {
        AnswerRequest(
            question: item.question, choices: item.choices, maxNewTokens: options.maxNewTokens,
            prefill: options.prefill)
    }
}

extension [EvaluationQuestion] {
    /// In the order in which the formats first appear.
    fileprivate var indicesByWeights: [[Int]] {
        var groups: [(ModelOptions.WeightFormat, [Int])] = []
        for (index, question) in enumerated() {
            let weights = question.options.weights
            if let group = groups.firstIndex(where: { $0.0 == weights }) {
                groups[group].1.append(index)
            } else {
                groups.append((weights, [index]))
            }
        }
        return groups.map(\.1)
    }
}
