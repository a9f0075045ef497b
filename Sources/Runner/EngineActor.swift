package import LongVA

/// Owns the loaded model; tensors never leave it. Its methods run to their end without suspending, on a
/// thread of their own.
package actor EngineActor {
    private static let thread = EngineThread()

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        Self.thread.asUnownedSerialExecutor()
    }

    private let device: String
    private var loaded: (options: Key, model: LongVAModel)?

    private struct Key: Equatable {
        var directory: String
        var dtype: ModelOptions.DTypeChoice
        var fingerprint: String
    }

    /// - Parameter device: `cpu` or `cuda:N`
    package init(device: String) { self.device = device }

    /// Loads the model unless it is the one that is loaded. One model is held at a time.
    ///
    /// - Throws: `ModelError`, `WeightError`, `TokenizerError` or `TorchError`
    package func load(
        directory: String, dtype: ModelOptions.DTypeChoice, fingerprint: String
    ) throws {
        let key = Key(directory: directory, dtype: dtype, fingerprint: fingerprint)
        if loaded?.options == key { return }
        loaded = nil
        let found = try LongVAModel.fingerprint(directory: directory)
        guard found == fingerprint else {
            throw ModelError(
                .configuration,
                "\(directory): the model changed since the job was enqueued (now \(found), then "
                    + "\(fingerprint)); enqueue again")
        }
        let options = ModelOptions(directory: directory, device: device, dtype: dtype)
        loaded = (key, try LongVAModel(options))
    }

    /// Answers with the loaded model, ending at the next progress point when the task is cancelled.
    package func answer(
        _ request: AnswerRequest, frames: FrameBatch,
        progress: @Sendable (String, Double) -> Void
    ) throws -> GeneratedAnswer {
        guard let model = loaded?.model else {
            throw ModelError(.configuration, "no model is loaded")
        }
        return try model.answer(request, frames: frames) { stage, fraction in
            try Task.checkCancellation()
            progress(stage, fraction)
        }
    }

    /// Answers several requests about one video with the loaded model; the video is encoded once.
    ///
    /// - Parameter each: called with the index of a request and its result as soon as it is there
    package func answers(
        to requests: [AnswerRequest], frames: FrameBatch,
        progress: @Sendable (String, Double) -> Void,
        each: @Sendable (Int, Result<GeneratedAnswer, any Error>) -> Void = { _, _ in }
    ) throws -> [Result<GeneratedAnswer, any Error>] {
        guard let model = loaded?.model else {
            throw ModelError(.configuration, "no model is loaded")
        }
        return try model.answers(
            to: requests, frames: frames,
            progress: { stage, fraction in
                try Task.checkCancellation()
                progress(stage, fraction)
            }, each: each)
    }
}
