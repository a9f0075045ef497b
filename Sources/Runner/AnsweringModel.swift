package import LongVA

/// What the engine asks of a loaded model.
package protocol AnsweringModel: AnyObject {
    /// How much is computed at a time; set between two answers only.
    var chunks: ComputeChunks { get set }

    /// Whether the prompt can be answered at all, before anything is computed.
    func check(_ request: AnswerRequest, frames: Int) throws

    func encode(
        _ frames: FrameBatch, classAttention: Bool, progress: (String, Double) throws -> Void
    ) throws -> EncodedVideo

    /// Encodes and answers, and writes the trace that the request may ask for.
    func answer(
        _ request: AnswerRequest, frames: FrameBatch, progress: (String, Double) throws -> Void
    ) throws -> GeneratedAnswer

    /// What all questions about the video begin with by the request's method; `nil` where that looks at
    /// the question.
    func prefix(
        _ request: AnswerRequest, video: EncodedVideo, progress: (String, Double) throws -> Void
    ) throws -> VisualPrefix?

    /// - Parameter prefix: `nil` computes it where there is one
    func answer(
        _ request: AnswerRequest, video: EncodedVideo, prefix: VisualPrefix?,
        progress: (String, Double) throws -> Void
    ) throws -> GeneratedAnswer

    /// Several about one video, which is encoded once; one that fails does not end the others.
    func answers(
        to requests: [AnswerRequest], frames: FrameBatch,
        progress: (String, Double) throws -> Void,
        each: (Int, Result<GeneratedAnswer, any Error>) -> Void
    ) throws -> [Result<GeneratedAnswer, any Error>]
}

extension LongVAModel: AnsweringModel {}
