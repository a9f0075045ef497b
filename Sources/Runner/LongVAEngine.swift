import EmbeddedModel
import Foundation
package import Jobs
import LongVA
import Synchronization
package import VideoFrames

/// The real engine: frames from the sampling child, the answer from the model's thread.
package struct LongVAEngine: JobEngine {
    private let source: FrameSource
    private let model: EngineActor
    private let sides = ImageSides()
    private let sharesVideos: Bool

    /// For sampling without a job: long videos are decoded to their end, as long as a job may take by
    /// default.
    static let timeBudget = Duration.seconds(3600)

    /// - Parameter sharesVideos: jobs about one video share its frames and visual tokens.
    package init(
        sampler: SamplerProcess, cache: FrameCache? = nil,
        decoding: DecodingChoice = DecodingChoice(), sharesVideos: Bool = true, model: EngineActor
    ) {
        self.init(
            source: FrameSource(sampler, cache: cache, decoding: decoding),
            sharesVideos: sharesVideos, model: model)
    }

    init(source: FrameSource, sharesVideos: Bool, model: EngineActor) {
        self.source = source
        self.sharesVideos = sharesVideos
        self.model = model
    }

    package struct Prepared: Sendable {
        /// Without pixels where `video` is expected to be kept.
        package var frames: SampledFrames
        package var options: AnalysisOptions
        var model: ModelKey
        var request: AnswerRequest
        var milliseconds: Double
        /// Under what its visual tokens are shared; `nil` where they are not.
        var video: VideoKey?
        /// More questions about the video follow at once.
        var isOfGroup = false
    }

    package func prepare(_ claim: Claim) async throws -> Prepared {
        let start = ContinuousClock.now
        let options = try AnalysisOptions(json: claim.optionsJSON)
        let directory = try ModelReference.directory(of: claim.model)
        try Self.checkUnchanged(claim.video)
        let sampling = SamplingRequest(
            path: claim.video.path, frames: options.frames, side: try sides.side(of: directory),
            mode: options.sampling, resize: options.resize)
        let model = options.modelKey(directory, claim.modelSHA256)
        let request = options.request(
            Question(text: claim.question, choices: claim.choices, expected: claim.expected))
        // A file that was bad when it was enqueued has no content to go by.
        let isShared =
            sharesVideos && !options.noCache && claim.video.contentID.hasPrefix("sha256:")
        let video =
            isShared
            ? VideoKey(
                contentID: claim.video.contentID, model: model, frames: sampling.frames,
                side: sampling.side, sampling: sampling.mode, resize: sampling.resize,
                classAttention: request.needsClassAttention) : nil
        let known = video.flatMap { self.model.register.frames($0) }
        let frames: SampledFrames
        if let known { frames = known } else { frames = try await sample(sampling, claim, options) }
        if known == nil, let video { self.model.register.announce(frames, video) }
        return Prepared(
            frames: frames, options: options, model: model, request: request,
            milliseconds: (.now - start) / .milliseconds(1), video: video)
    }

    /// The first claim's frames for all of them.
    package func prepare(group: [Claim]) async throws -> [Result<Prepared, any Error>] {
        guard let claim = group.first else { return [] }
        var first = try await prepare(claim)
        guard first.video != nil else {
            // Nothing is shared on request: each is sampled by itself.
            var results: [Result<Prepared, any Error>] = [.success(first)]
            for claim in group.dropFirst() {
                try Task.checkCancellation()
                do { results.append(.success(try await prepare(claim))) } catch {
                    results.append(.failure(error))
                }
            }
            return results
        }
        first.isOfGroup = true
        return group.enumerated().map { index, claim in
            var prepared = first
            prepared.request = first.options.request(
                Question(text: claim.question, choices: claim.choices, expected: claim.expected))
            if index > 0 {
                // As for any further question about a video: its own row tells what it took itself.
                prepared.frames.noteShared()
                prepared.milliseconds = 0
            }
            return .success(prepared)
        }
    }

    package func finish(group prepared: Prepared) async {
        if let video = prepared.video { await model.unpin(video) }
    }

    private func sample(
        _ request: SamplingRequest, _ claim: Claim, _ options: AnalysisOptions
    ) async throws -> SampledFrames {
        try await source.frames(
            request, of: claim.video, timeBudget: claim.timeout, usesCache: !options.noCache)
    }

    package func answer(
        _ claim: Claim, _ prepared: Prepared,
        progress: @escaping @Sendable (String, Double) -> Void
    ) async throws -> Answer {
        let question = Question(
            text: claim.question, choices: claim.choices, expected: claim.expected)
        do {
            return try await answer(question, prepared, progress: progress)
        } catch is EngineActor.FramesMissing {
            // The question before was to encode the video and did not, or had to give it up since.
            let start = ContinuousClock.now
            progress("decode", 0)
            let frames = prepared.frames
            var again = prepared
            again.frames = try await sample(
                SamplingRequest(
                    path: claim.video.path, frames: prepared.options.frames, side: frames.width,
                    mode: prepared.options.sampling, resize: prepared.options.resize),
                claim, prepared.options)
            again.milliseconds += (.now - start) / .milliseconds(1)
            if let video = prepared.video { model.register.announce(again.frames, video) }
            return try await answer(question, again, progress: progress)
        }
    }

    /// A question as the engine takes it, from the queue or from the command line.
    package struct Question: Sendable {
        package var text: String
        package var choices: [String]?
        package var expected: String?

        package init(text: String, choices: [String]? = nil, expected: String? = nil) {
            self.text = text
            self.choices = choices
            self.expected = expected
        }
    }

    /// Where `--trace` writes, and whether the frames are stored as decoded, too.
    package struct TraceFile: Sendable {
        package var path: String
        package var isFull: Bool

        package init(path: String, isFull: Bool) {
            self.path = path
            self.isFull = isFull
        }
    }

    private func answer(
        _ question: Question, _ prepared: Prepared,
        progress: @escaping @Sendable (String, Double) -> Void
    ) async throws -> Answer {
        progress("load", 0)
        try await model.load(prepared.model)
        ProcessMemory.resetPeak()
        let start = ContinuousClock.now
        let reply = try await model.answer(
            prepared.request, frames: prepared.frames.batch, model: prepared.model,
            video: prepared.video, pins: prepared.isOfGroup, progress: progress)
        let verdict = Scoring.judge(
            reply.generated.text, choices: question.choices, expected: question.expected)
        return Answer(
            reply, verdict, prepared.frames,
            totalMS: prepared.milliseconds + (.now - start) / .milliseconds(1))
    }

    /// One question about one video, without a queue.
    ///
    /// - Throws: what `prepare` and `answer` throw
    package func ask(
        _ question: Question, video path: String, options: AnalysisOptions,
        model reference: ModelReference, trace: TraceFile?,
        progress: @escaping @Sendable (String, Double) -> Void
    ) async throws -> Answer {
        let start = ContinuousClock.now
        progress("decode", 0)
        var request = SamplingRequest(
            path: path, frames: options.frames, side: try sides.side(of: reference.directory),
            mode: options.sampling, resize: options.resize)
        let frames = try await source.frames(request, usesCache: !options.noCache)
        var prepared = Prepared(
            frames: frames, options: options,
            model: options.modelKey(reference.directory, reference.sha256),
            request: options.request(question), milliseconds: (.now - start) / .milliseconds(1))
        var tracing: TraceRequest?
        if let trace {
            tracing = TraceRequest(
                path: trace.path, framePTSMilliseconds: frames.framePTSMilliseconds,
                frameIndex: frames.frameIndex, optionsJSON: options.json)
            if trace.isFull {
                request.side = 0
                let full = try await source.frames(request, usesCache: false)
                tracing?.fullFrames = .init(
                    pixels: full.pixels, width: full.width, height: full.height)
            }
        }
        prepared.request.trace = tracing
        return try await answer(question, prepared, progress: progress)
    }

    /// The frames of a file at the size that a model takes: what `ask` answers about.
    package func sample(
        _ path: String, frames: Int, options: AnalysisOptions, model reference: ModelReference
    ) async throws -> SampledFrames {
        try await source.frames(
            SamplingRequest(
                path: path, frames: frames, side: try sides.side(of: reference.directory),
                mode: options.sampling, resize: options.resize),
            timeBudget: Self.timeBudget, usesCache: !options.noCache)
    }

    /// One question about frames that are at hand, whatever file they came from.
    package func answer(
        _ question: Question, frames: SampledFrames, options: AnalysisOptions,
        model reference: ModelReference,
        progress: @escaping @Sendable (String, Double) -> Void
    ) async throws -> Answer {
        let prepared = Prepared(
            frames: frames, options: options,
            model: options.modelKey(reference.directory, reference.sha256),
            request: options.request(question), milliseconds: frames.decodeMilliseconds)
        return try await answer(question, prepared, progress: progress)
    }

    /// A file that was replaced after it was enqueued would be answered under the old one's name.
    private static func checkUnchanged(_ video: VideoRecord) throws(Failure) {
        guard let found = ContentIdentity.statistics(video.path) else {
            throw Failure(
                errorClass: .input, code: "unreadable", message: "\(video.path): no such file",
                stage: "decode")
        }
        guard !video.contentID.hasPrefix("bad:") else { return }
        if found.size == video.sizeBytes && found.mtime == video.mtimeNanoseconds { return }
        guard try ContentIdentity.ofFile(video.path).id == video.contentID else {
            throw Failure(
                errorClass: .input, code: "changed",
                message: "\(video.path): is not the file that was enqueued; enqueue it again",
                stage: "decode")
        }
    }
}

/// The frame size of each model, read from its files without going through the model's thread: that one
/// is busy with the job before.
private final class ImageSides: Sendable {
    private let known = Mutex<[String: Int]>([:])

    func side(of directory: String) throws -> Int {
        if let side = known.withLock({ $0[directory] }) { return side }
        let side = try ModelReference.imageSide(ofDirectory: directory)
        known.withLock { $0[directory] = side }
        return side
    }
}

extension AnalysisOptions {
    func modelKey(_ directory: String, _ fingerprint: String) -> ModelKey {
        ModelKey(directory: directory, dtype: dtype, weights: weights, fingerprint: fingerprint)
    }

    fileprivate func request(_ question: LongVAEngine.Question) -> AnswerRequest {
        AnswerRequest(
            question: question.text, choices: question.choices, maxNewTokens: maxNewTokens,
            prefill: prefill)
    }
}

extension SampledFrames {
    /// What the model takes; `nil` for the facts of frames that were not sampled.
    fileprivate var batch: FrameBatch? {
        pixels.isEmpty ? nil : FrameBatch(pixels: pixels, count: count, side: width)
    }
}
