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
    private var videos: Kept<VideoKey, EncodedVideo>
    private var prefixes: Kept<PrefixKey, VisualPrefix>
    /// Videos whose questions are being answered one after the other.
    private var pinned: Set<VideoKey> = []
    /// `nil` on the CPU.
    private let watch: DeviceMemoryWatch?

    /// Bytes of visual tokens that are kept: seven videos of 64 frames of LongVA-7B.
    package static let standardVideoBytes = 512 << 20
    /// Bytes of keys and values that are kept: four videos of 64 frames, or one of 240.
    package static let standardPrefixBytes = LongVAModel.prefixLimit

    /// - Parameters:
    ///   - device: `cpu` or `cuda:N`
    ///   - memory: the device's; `nil` measures none
    ///   - videoBytes: bytes of visual tokens that are kept for further questions; 0 keeps none
    ///   - prefixBytes: bytes of keys and values, likewise
    package init(
        device: String, memory: DeviceMemory? = nil, videoBytes: Int = standardVideoBytes,
        prefixBytes: Int = standardPrefixBytes
    ) {
        self.init(
            device: device, memory: memory, videoBytes: videoBytes, prefixBytes: prefixBytes,
            fingerprint: { try LongVAModel.fingerprint(directory: $0) },
            open: { try LongVAModel($0) })
    }

    /// - Parameters:
    ///   - fingerprint: that of the model in a directory
    ///   - open: loads a model
    init(
        device: String, memory: DeviceMemory?, videoBytes: Int, prefixBytes: Int,
        fingerprint: @escaping @Sendable (String) throws -> String,
        open: @escaping @Sendable (ModelOptions) throws -> any AnsweringModel
    ) {
        self.device = device
        self.fingerprint = fingerprint
        self.open = open
        videos = Kept(limit: videoBytes)
        prefixes = Kept(limit: prefixBytes)
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
            // A video of this model may be announced before the model is there.
            forgetVideos { $0.model != key }
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
        /// So were the keys and values of everything before the question.
        package var isPrefixShared = false
    }

    /// The visual tokens are not there, and no frames came with the question.
    struct FramesMissing: Error {}

    /// Answers with a loaded model, ending at the next progress point when the task is cancelled.
    ///
    /// - Parameters:
    ///   - frames: `nil` where the video is expected to be kept.
    ///   - video: under what its visual tokens are kept; `nil` keeps none.
    ///   - pins: keeps them, however large, until `unpin`: more questions about it follow at once
    /// - Throws: `FramesMissing`; what the model throws
    package func answer(
        _ request: AnswerRequest, frames: FrameBatch?, model key: ModelKey, video: VideoKey?,
        pins: Bool = false, progress: @escaping @Sendable (String, Double) -> Void
    ) throws -> Reply {
        let model = try loaded(key)
        if pins, let video { pinned.insert(video) }
        // An encoding that failed or was not kept is not waited for.
        defer { register.forget { $0 == video && !videos.contains($0) } }
        return try measured {
            try retryingSmaller(model, keeping: video) { isSmaller in
                guard let video else {
                    guard let frames else { throw FramesMissing() }
                    return Reply(
                        try model.answer(request, frames: frames, progress: step(progress)))
                }
                if var encoded = videos.value(video) {
                    encoded.milliseconds = 0
                    var reply = try self.reply(
                        request, model, encoded, video, keeps: !isSmaller, progress)
                    reply.isVideoShared = true
                    return reply
                }
                guard let frames else { throw FramesMissing() }
                // What cannot be answered costs no pass through the tower.
                try model.check(request, frames: frames.count)
                let encoded = try model.encode(
                    frames, classAttention: video.classAttention, progress: step(progress))
                // Another batch of the tower may round in another way than the next question's would.
                if !isSmaller { try keep(encoded, video) }
                return try self.reply(request, model, encoded, video, keeps: !isSmaller, progress)
            }
        }
    }

    /// The last question about the video was answered for now; it stays if there is room.
    package func unpin(_ video: VideoKey) {
        pinned.remove(video)
        let before = videos.keys
        videos.trim(to: videos.limit) { pinned.contains($0) }
        prefixes.trim(to: prefixes.limit) { pinned.contains($0.video) }
        let gone = before.filter { !videos.contains($0) }
        register.forget(gone.contains)
    }

    /// Answers about a video that is encoded, on the prefix of its other questions where there is one.
    private func reply(
        _ request: AnswerRequest, _ model: any AnsweringModel, _ encoded: EncodedVideo,
        _ video: VideoKey, keeps: Bool, _ progress: @escaping (String, Double) -> Void
    ) throws -> Reply {
        guard let settings = request.prefill.sharedPrefix else {
            return Reply(
                try model.answer(
                    request, video: encoded, prefix: nil, progress: step(progress)))
        }
        let key = PrefixKey(video: video, settings: settings)
        let isKept = prefixes.contains(key)
        var prefix = prefixes.value(key)
        if isKept {
            prefix?.milliseconds = 0
        } else {
            prefix = try model.prefix(request, video: encoded, progress: step(progress))
            if keeps, let prefix {
                prefixes.keep(prefix, key, bytes: prefix.byteCount) { pinned.contains($0.video) }
            }
        }
        var reply = Reply(
            try model.answer(
                request, video: encoded, prefix: prefix, progress: step(progress)))
        reply.isPrefixShared = isKept
        return reply
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
        // Several are decoded together where the model can.
        var open = Set(requests.indices)
        let usual = model.chunks
        var shortage: TorchError?
        func isShortage(_ error: any Error) -> Bool {
            guard let error = error as? TorchError, error.kind == .outOfMemory, usual != .small
            else {
                return false
            }
            shortage = error
            return true
        }
        func answerAll() throws {
            _ = try model.answers(
                to: requests, frames: frames, progress: step { _, _ in }
            ) { index, result in
                if case .failure(let error) = result, isShortage(error) { return }
                open.remove(index)
                each(index, result.map { Reply($0, peak: watch?.peakBytes) })
            }
        }
        do {
            if let watch { try watch.during(answerAll) } else { try answerAll() }
        } catch  where isShortage(error) {}
        guard let shortage else { return }
        // One by one, in smaller chunks.
        for index in open.sorted() {
            let result = Result<Reply, any Error> {
                try measured {
                    try smaller(model, shortage, keeping: nil) {
                        Reply(
                            try model.answer(
                                requests[index], frames: frames, progress: step { _, _ in }))
                    }
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
    private func retryingSmaller(
        _ model: any AnsweringModel, keeping video: VideoKey?,
        _ body: (_ isSmaller: Bool) throws -> Reply
    ) throws -> Reply {
        do {
            return try body(false)
        } catch let error as TorchError
            where error.kind == .outOfMemory && model.chunks != .small
        {
            return try smaller(model, error, keeping: video) { try body(true) }
        }
    }

    /// The second time.
    private func smaller(
        _ model: any AnsweringModel, _ error: TorchError, keeping video: VideoKey?,
        _ body: () throws -> Reply
    ) throws -> Reply {
        let usual = model.chunks
        model.chunks = .small
        defer { model.chunks = usual }
        forgetVideos { $0 != video }
        var reply = try body()
        reply.warnings.append(
            "\(device) ran out of memory (\(error.operation)); answered on a second try with "
                + "\(ComputeChunks.small.title) instead of \(usual.title)")
        return reply
    }

    private func keep(_ encoded: EncodedVideo, _ key: VideoKey) throws {
        let before = videos.keys
        videos.keep(
            encoded, key, bytes: try encoded.byteCount + encoded.classAttention.count * 4
        ) { pinned.contains($0) }
        let gone = before.filter { !videos.contains($0) }
        register.forget(gone.contains)
    }

    private func forgetVideos(where isUnwanted: (VideoKey) -> Bool) {
        videos.remove(where: isUnwanted)
        prefixes.remove { _ in true }
        register.forget(isUnwanted)
    }
}

extension EngineActor.Reply {
    fileprivate init(_ generated: GeneratedAnswer, peak: Int64? = nil) {
        self.generated = generated
        peakDeviceBytes = peak
    }
}
