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
        try await model.load(
            directory: reference.directory, dtype: options.dtype, fingerprint: reference.sha256)
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
        ProcessMemory.resetPeak()
        let requests = questions.map { question in
            AnswerRequest(
                question: question.item.question, choices: question.item.choices,
                maxNewTokens: question.options.maxNewTokens, prefill: question.options.prefill)
        }
        let batch = FrameBatch(pixels: frames.pixels, count: frames.count, side: frames.width)
        _ = try await model.answers(
            to: requests, frames: batch, progress: { _, _ in },
            each: { index, result in
                // The next answer's peak is its own.
                defer { ProcessMemory.resetPeak() }
                each(
                    index,
                    result.map { generated in
                        // Judged by the evaluator.
                        Answer(
                            generated, Scoring.Verdict(choice: nil, correct: nil), frames,
                            totalMS: generated.prefillMS + generated.generateMS)
                    })
            })
    }
}
