package import Jobs

/// What turns a claimed job into an answer. The runner calls `prepare` of the next jobs beside `answer`
/// of the current one, and never two of a kind at once.
///
/// Both stop soon after their task is cancelled (at the next progress point), throwing anything.
package protocol JobEngine: Sendable {
    associatedtype Prepared: Sendable
    /// Samples the frames.
    func prepare(_ claim: Claim) async throws -> Prepared
    /// The same for a group: jobs of one video and one config, at least two. The video is sampled once.
    ///
    /// - Returns: one result for each claim
    /// - Throws: what all of them fail with
    func prepare(group: [Claim]) async throws -> [Result<Prepared, any Error>]
    /// - Parameter progress: the stage's name and the share of it that is done, 0 to 1
    func answer(
        _ claim: Claim, _ prepared: Prepared,
        progress: @escaping @Sendable (String, Double) -> Void
    ) async throws -> Answer
    /// The last job of a group has ended: what was kept for the others may go.
    func finish(group prepared: Prepared) async
}

extension JobEngine {
    /// Each by itself.
    package func prepare(group: [Claim]) async throws -> [Result<Prepared, any Error>] {
        var results: [Result<Prepared, any Error>] = []
        for claim in group {
            try Task.checkCancellation()
            do {
                results.append(.success(try await prepare(claim)))
            } catch { results.append(.failure(error)) }
        }
        return results
    }

    package func finish(group prepared: Prepared) async {}
}
