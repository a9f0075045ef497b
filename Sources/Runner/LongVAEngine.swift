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

    /// For sampling without a job: long videos are decoded to their end, as long as a job may take by
    /// default.
    static let timeBudget = Duration.seconds(3600)

    package init(
        sampler: SamplerProcess, cache: FrameCache? = nil,
        decoding: DecodingChoice = DecodingChoice(), model: EngineActor
    ) {
        source = FrameSource(sampler, cache: cache, decoding: decoding)
        self.model = model
    }

    package struct Prepared: Sendable {
        package var frames: SampledFrames
        package var options: AnalysisOptions
        var directory: String
        var milliseconds: Double
    }

    package func prepare(_ claim: Claim) async throws -> Prepared {
        let start = ContinuousClock.now
        let options = try AnalysisOptions(json: claim.optionsJSON)
        let directory = try ModelReference.directory(of: claim.model)
        try Self.checkUnchanged(claim.video)
        let frames = try await source.frames(
            SamplingRequest(
                path: claim.video.path, frames: options.frames,
                side: try sides.side(of: directory), mode: options.sampling,
                resize: options.resize),
            of: claim.video, timeBudget: claim.timeout, usesCache: !options.noCache)
        return Prepared(
            frames: frames, options: options, directory: directory,
            milliseconds: (.now - start) / .milliseconds(1))
    }

    package func answer(
        _ claim: Claim, _ prepared: Prepared,
        progress: @escaping @Sendable (String, Double) -> Void
    ) async throws -> Answer {
        let question = Question(
            text: claim.question, choices: claim.choices, expected: claim.expected)
        return try await answer(
            question, prepared, modelSHA256: claim.modelSHA256, trace: nil, progress: progress)
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
        _ question: Question, _ prepared: Prepared, modelSHA256: String, trace: TraceRequest?,
        progress: @escaping @Sendable (String, Double) -> Void
    ) async throws -> Answer {
        progress("load", 0)
        try await model.load(
            directory: prepared.directory, dtype: prepared.options.dtype, fingerprint: modelSHA256)
        ProcessMemory.resetPeak()
        let start = ContinuousClock.now
        let generated = try await model.answer(
            AnswerRequest(
                question: question.text, choices: question.choices,
                maxNewTokens: prepared.options.maxNewTokens, prefill: prepared.options.prefill,
                trace: trace),
            frames: FrameBatch(
                pixels: prepared.frames.pixels, count: prepared.frames.count,
                side: prepared.frames.width),
            progress: progress)
        let verdict = Scoring.judge(
            generated.text, choices: question.choices, expected: question.expected)
        return Answer(
            generated, verdict, prepared.frames,
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
        let prepared = Prepared(
            frames: frames, options: options, directory: reference.directory,
            milliseconds: (.now - start) / .milliseconds(1))
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
        return try await answer(
            question, prepared, modelSHA256: reference.sha256, trace: tracing, progress: progress)
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
            frames: frames, options: options, directory: reference.directory,
            milliseconds: frames.decodeMilliseconds)
        return try await answer(
            question, prepared, modelSHA256: reference.sha256, trace: nil, progress: progress)
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
