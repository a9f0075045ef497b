package import Jobs

/// One question by one method.
package struct EvaluationQuestion: Sendable {
    package var item: EvaluationItem
    package var options: AnalysisOptions
}

/// What turns videos and questions into answers. The evaluator samples the next video beside the answering
/// of the current one, and never two of a kind at once.
package protocol EvaluationEngine: Sendable {
    associatedtype Frames: Sendable

    /// Makes ready what all answers need; an error ends the evaluation.
    func load(_ options: AnalysisOptions) async throws

    /// Samples a video as the options say.
    ///
    /// - Throws: what is wrong with this video; the evaluation goes on with the next
    func frames(of video: String, _ options: AnalysisOptions) async throws -> Frames

    /// Answers all questions on the same visual tokens.
    ///
    /// - Parameter each: called once a question with its index, as soon as it is answered or has failed
    /// - Throws: what is wrong with all questions that `each` was not called for
    func answer(
        _ questions: [EvaluationQuestion], _ frames: Frames,
        each: @escaping @Sendable (Int, Result<Answer, any Error>) -> Void
    ) async throws
}
