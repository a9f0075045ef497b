package import LongVA
import Torch

/// Owns the loaded models; tensors never leave it. Its methods run to their end without suspending, on a
/// thread of their own.
package actor EngineActor {
    private static let thread = EngineThread()

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        Self.thread.asUnownedSerialExecutor()
    }

    /// Which videos need not be sampled for the next question about them.
    nonisolated let register = VideoRegister()

    private let device: String
    private let open: @Sendable (ModelOptions) throws -> any AnsweringModel
    private let fingerprint: @Sendable (String) throws -> String
    private var models: [ModelKey: any AnsweringModel] = [:]
    private var videos: EncodedVideos
    /// `nil` on the CPU.
    private let watch: DeviceMemoryWatch?

    /// Bytes of visual tokens that are kept: seven videos of 64 frames of LongVA-7B.
    package static let standardVideoBytes = 512 << 20

    /// - Parameters:
    ///   - device: `cpu` or `cuda:N`
    ///   - memory: the device's; `nil` measures none
    ///   - videoBytes: bytes of visual tokens that are kept for further questions; 0 keeps none
    package init(
        device: String, memory: DeviceMemory? = nil, videoBytes: Int = standardVideoBytes
    ) {
        self.init(
            device: device, memory: memory, videoBytes: videoBytes,
            fingerprint: { try LongVAModel.fingerprint(directory: $0) },
            open: { try LongVAModel($0) })
    }

    /// - Parameters:
    ///   - fingerprint: that of the model in a directory
    ///   - open: loads a model
    init(
        device: String, memory: DeviceMemory?, videoBytes: Int,
        fingerprint: @escaping @Sendable (String) throws -> String,
        open: @escaping @Sendable (ModelOptions) throws -> any AnsweringModel
    ) {
        self.device = device
        self.fingerprint = fingerprint
        self.open = open
        videos = EncodedVideos(limit: videoBytes)
        watch = memory.map { DeviceMemoryWatch($0) }
    }

    /// Loads a model unless it is there.
    ///
    /// - Parameter keepsOthers: the models that are loaded stay, for a comparison; else one is held at a
    ///   time.
    /// - Throws: `ModelError`, `WeightError`, `TokenizerError` or `TorchError`
    package func load(_ key: ModelKey, keepsOthers: Bool = false) throws {
        if models[key] != nil { return }
        if !keepsOthers {
            models = [:]
            forgetVideos { _ in true }
        }
        let found = try fingerprint(key.directory)
        guard found == key.fingerprint else {
            throw ModelError(
                .configuration,
                "\(key.directory): the model changed since the job was enqueued (now \(found), then "
                    + "\(key.fingerprint)); enqueue again")
        }
        models[key] = try open(
            ModelOptions(
                directory: key.directory, device: device, dtype: key.dtype, weights: key.weights))
    }

    /// What one question came to.
    package struct Reply: Sendable {
        package var generated: GeneratedAnswer
        /// The most that was in use on the device, by all programs; `nil` on the CPU.
        package var peakDeviceBytes: Int64?
        package var warnings: [String] = []
        /// The visual tokens were those of an earlier question.
        package var isVideoShared = false
    }

    /// The visual tokens are not there, and no frames came with the question.
    struct FramesMissing: Error {}

    /// Answers with a loaded model, ending at the next progress point when the task is cancelled.
    ///
    /// - Parameters:
    ///   - frames: `nil` where the video is expected to be kept.
    ///   - video: under what its visual tokens are kept; `nil` keeps none.
    /// - Throws: `FramesMissing`; what the model throws
    package func answer(
        _ request: AnswerRequest, frames: FrameBatch?, model key: ModelKey, video: VideoKey?,
        progress: @escaping @Sendable (String, Double) -> Void
    ) throws -> Reply {
        let model = try loaded(key)
        // An encoding that failed or was not kept is not waited for.
        defer { register.forget { $0 == video && !videos.contains($0) } }
        return try measured {
            let (reply, warning) = try retryingSmaller(model, keeping: video) { isSmaller in
                guard let video else {
                    guard let frames else { throw FramesMissing() }
                    return Reply(
                        try model.answer(request, frames: frames, progress: step(progress)))
                }
                if let encoded = videos.video(video) {
                    return Reply(
                        try model.answer(request, video: encoded, progress: step(progress)),
                        isVideoShared: true)
                }
                guard let frames else { throw FramesMissing() }
                // What cannot be answered costs no pass through the tower.
                try model.check(request, frames: frames.count)
                let encoded = try model.encode(
                    frames, classAttention: video.classAttention, progress: step(progress))
                // Another batch of the tower may round in another way than the next question's would.
                if !isSmaller { try keep(encoded, video) }
                return Reply(try model.answer(request, video: encoded, progress: step(progress)))
            }
            return reply.warned(warning)
        }
    }

    /// Answers several requests about one video with a loaded model; the video is encoded once.
    ///
    /// - Parameter each: called with the index of a request and its result as soon as it is there
    /// - Throws: what is wrong with all requests that `each` was not called for
    package func answers(
        to requests: [AnswerRequest], frames: FrameBatch, model key: ModelKey,
        each: @Sendable (Int, Result<Reply, any Error>) -> Void
    ) throws {
        let model = try loaded(key)
        let checks = requests.map { request in
            Result { try model.check(request, frames: frames.count) }
        }
        let possible = zip(requests, checks).filter { (try? $1.get()) != nil }.map { $0.0 }
        var encoding: (video: EncodedVideo, warning: String?)?
        if !possible.isEmpty {
            let classAttention = possible.contains(where: \.needsClassAttention)
            encoding = try retryingSmaller(model, keeping: nil) { _ in
                try model.encode(
                    frames, classAttention: classAttention, progress: step { _, _ in })
            }
        }
        for (index, request) in requests.enumerated() {
            try Task.checkCancellation()
            let result = Result<Reply, any Error> {
                try checks[index].get()
                guard let (video, first) = encoding else { throw FramesMissing() }
                return try measured {
                    let (reply, second) = try retryingSmaller(model, keeping: nil) { _ in
                        Reply(try model.answer(request, video: video, progress: step { _, _ in }))
                    }
                    return reply.warned(second ?? first)
                }
            }
            if case .failure(let error) = result, error is CancellationError { throw error }
            each(index, result)
        }
    }

    private func loaded(_ key: ModelKey) throws -> any AnsweringModel {
        guard let model = models[key] else {
            throw ModelError(.configuration, "\(key.directory): this model is not loaded")
        }
        return model
    }

    private func step(
        _ progress: @escaping (String, Double) -> Void
    ) -> (String, Double) throws -> Void {
        { [watch] stage, fraction in
            try Task.checkCancellation()
            watch?.sample()
            progress(stage, fraction)
        }
    }

    private func measured(_ body: () throws -> Reply) throws -> Reply {
        guard let watch else { return try body() }
        var reply = try watch.during(body)
        reply.peakDeviceBytes = watch.peakBytes
        return reply
    }

    /// Runs `body`, and once more in smaller chunks and without what was kept where the device had no room
    /// for the first.
    ///
    /// - Parameter video: the one kept video that `body` may be about
    /// - Returns: with a warning where it took a second time
    private func retryingSmaller<Value>(
        _ model: any AnsweringModel, keeping video: VideoKey?,
        _ body: (_ isSmaller: Bool) throws -> Value
    ) throws -> (Value, warning: String?) {
        do {
            return (try body(false), nil)
        } catch let error as TorchError
            where error.kind == .outOfMemory && model.chunks != .small
        {
            let usual = model.chunks
            model.chunks = .small
            defer { model.chunks = usual }
            forgetVideos { $0 != video }
            return (
                try body(true),
                "\(device) ran out of memory (\(error.operation)); answered on a second try with "
                    + "\(ComputeChunks.small.title) instead of \(usual.title)"
            )
        }
    }

    private func keep(_ encoded: EncodedVideo, _ key: VideoKey) throws {
        let before = videos.keys
        try videos.keep(encoded, key)
        let gone = before.filter { !videos.contains($0) }
        register.forget(gone.contains)
    }

    private func forgetVideos(where isUnwanted: (VideoKey) -> Bool) {
        videos.remove(where: isUnwanted)
        register.forget(isUnwanted)
    }
}

extension EngineActor.Reply {
    fileprivate init(_ generated: GeneratedAnswer, isVideoShared: Bool = false) {
        self.generated = generated
        self.isVideoShared = isVideoShared
    }

    fileprivate func warned(_ warning: String?) -> EngineActor.Reply {
        var reply = self
        if let warning { reply.warnings.append(warning) }
        return reply
    }
}
