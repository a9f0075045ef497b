/// Where evaluations keep what has been answered, so that a killed one goes on. Errors are `QueueError`.
package protocol EvaluationStore: Sendable {
    /// Finds the evaluation of the same manifest, model and name, or makes it, and adds the methods
    /// that it does not have yet.
    ///
    /// - Parameter fresh: forgets what stands under these three, answers included
    /// - Throws: `invalid` when the stored items ask other questions than these
    func openEvaluation(
        _ spec: EvaluationSpec, _ items: [EvaluationItem], _ methods: [EvaluationMethod],
        fresh: Bool
    ) async throws -> OpenEvaluation

    /// Stores in one transaction; what returned is on the disk. An answer replaces a failure and
    /// never another answer.
    func recordEvaluation(_ answers: [EvaluationAnswer]) async throws

    /// All that stands of these methods, in the order of methods and items.
    func evaluationAnswers(_ methods: [EvaluationMethodID]) async throws -> [EvaluationAnswer]
}

extension EvaluationSpec {
    /// Answers to other questions must not be taken for answers to these. The videos may have moved.
    ///
    /// - Parameter stored: what the evaluation of this name was begun with
    func refuse(_ items: [EvaluationItem], otherThan stored: [EvaluationItem]) throws(QueueError) {
        var stored = stored
        for index in stored.indices where index < items.count {
            stored[index].video = items[index].video
        }
        guard stored == items else {
            throw QueueError(
                .invalid,
                "\(manifest): the evaluation `\(name)` of this manifest was begun with other "
                    + "questions (\(stored.count) stored, \(items.count) read as \(format)); "
                    + "begin again with --fresh or another --name")
        }
    }
}
