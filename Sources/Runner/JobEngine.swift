package import Jobs

/// What turns a claimed job into an answer. The runner calls `prepare` of the next job beside `answer`
/// of the current one, and never two of a kind at once.
///
/// Both stop soon after their task is cancelled (at the next progress point), throwing anything.
package protocol JobEngine: Sendable {
    associatedtype Prepared: Sendable
    /// Samples the frames.
    func prepare(_ claim: Claim) async throws -> Prepared
    /// - Parameter progress: the stage's name and the share of it that is done, 0 to 1
    func answer(
        _ claim: Claim, _ prepared: Prepared,
        progress: @escaping @Sendable (String, Double) -> Void
    ) async throws -> Answer
}
