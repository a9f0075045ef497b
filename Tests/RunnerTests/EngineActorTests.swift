import Dispatch
import Glibc
import Jobs
import SparsePrefill
import Synchronization
import Testing
import Torch

@testable import LongVA
@testable import Runner
@testable import VideoFrames

/// What a worker does around the model: which are loaded, what is shared between questions, what happens
/// when the device has no room. The model is a stand-in.
@Suite struct EngineActorTests {
    /// What the stand-in did, and what it is to do.
    final class Script: Sendable {
        struct State {
            var events: [String] = []
            /// Answers that run out of memory, from now on.
            var failures = 0
            var encodingFailures = 0
        }
        private let state: Mutex<State>
        let device: Device

        init(failures: Int = 0, encodingFailures: Int = 0, device: Device = .cuda(0)) {
            state = Mutex(State(failures: failures, encodingFailures: encodingFailures))
            self.device = device
        }

        var events: [String] { state.withLock { $0.events } }
        func note(_ event: String) { state.withLock { $0.events.append(event) } }
        func fails(_ path: any WritableKeyPath<State, Int> & Sendable) -> Bool {
            state.withLock {
                guard $0[keyPath: path] > 0 else { return false }
                $0[keyPath: path] -= 1
                return true
            }
        }
    }

    final class StandIn: AnsweringModel {
        let script: Script
        var chunks: ComputeChunks

        init(_ script: Script, _ options: ModelOptions) {
            self.script = script
            chunks = .standard(on: script.device)
            script.note("open \(options.directory) \(options.dtype) \(options.weights.rawValue)")
        }

        func check(_ request: AnswerRequest, frames: Int) throws {
            if request.question == "too long" { throw ModelError(.promptTooLong, "too long") }
        }

        func encode(
            _ frames: FrameBatch, classAttention: Bool,
            progress: (String, Double) throws -> Void
        ) throws -> EncodedVideo {
            try progress("encode", 0)
            script.note("encode \(frames.count) by \(chunks.visionBatch)")
            if script.fails(\.encodingFailures) { throw Self.full }
            return EncodedVideo(
                tokens: try Tensor.zeros([frames.count, 8], .float32), frames: frames.count,
                classAttention: [], milliseconds: 40)
        }

        func answer(
            _ request: AnswerRequest, frames: FrameBatch,
            progress: (String, Double) throws -> Void
        ) throws -> GeneratedAnswer {
            try answer(
                request, video: encode(frames, classAttention: false, progress: progress),
                prefix: nil,
                progress: progress)
        }

        func prefix(
            _ request: AnswerRequest, video: EncodedVideo,
            progress: (String, Double) throws -> Void
        ) throws -> VisualPrefix? {
            script.note("prefix")
            return VisualPrefix(
                decoded: .init(entries: [], positions: [], hidden: []), visualKept: nil,
                milliseconds: 70, byteCount: 100)
        }

        func answer(
            _ request: AnswerRequest, video: EncodedVideo, prefix: VisualPrefix?,
            progress: (String, Double) throws -> Void
        ) throws -> GeneratedAnswer {
            try progress("prefill", 0)
            script.note("answer \(request.question) by \(chunks.feedForwardRows)")
            if script.fails(\.failures) { throw Self.full }
            var answer = GeneratedAnswer.stub
            answer.visionMS = video.milliseconds
            answer.prefillMS = prefix?.milliseconds ?? -1
            return answer
        }

        func answers(
            to requests: [AnswerRequest], frames: FrameBatch,
            progress: (String, Double) throws -> Void,
            each: (Int, Result<GeneratedAnswer, any Error>) -> Void
        ) throws -> [Result<GeneratedAnswer, any Error>] {
            let video = try encode(frames, classAttention: false, progress: progress)
            return requests.enumerated().map { index, request in
                let result = Result<GeneratedAnswer, any Error> {
                    try check(request, frames: frames.count)
                    return try answer(request, video: video, prefix: nil, progress: progress)
                }
                each(index, result)
                return result
            }
        }

        static var full: TorchError {
            TorchError(.outOfMemory, operation: "aten::linear", message: "CUDA out of memory")
        }
    }

    private static func engine(
        _ script: Script, memory: DeviceMemory? = nil, videoBytes: Int = 1 << 20
    ) throws -> EngineActor {
        _ = try TorchLibrary.load()
        return EngineActor(
            device: "\(script.device)", memory: memory, videoBytes: videoBytes, prefixBytes: 250,
            fingerprint: { "sha of \($0)" }, open: { StandIn(script, $0) })
    }

    private static func model(
        _ name: String = "m", _ weights: ModelOptions.WeightFormat = .asIs
    ) -> ModelKey {
        ModelKey(
            directory: name, dtype: .bfloat16, weights: weights, fingerprint: "sha of \(name)")
    }

    private static func video(_ content: String, _ model: ModelKey = model()) -> VideoKey {
        VideoKey(
            contentID: content, model: model, frames: 4, side: 2, sampling: .exact,
            resize: .pillow, classAttention: false)
    }

    private static let frames = FrameBatch(
        pixels: [UInt8](repeating: 0, count: 4 * 2 * 2 * 3), count: 4, side: 2)

    private static func ask(
        _ engine: EngineActor, _ question: String, _ video: VideoKey?,
        frames: FrameBatch? = frames
    ) async throws -> EngineActor.Reply {
        try await engine.load(model())
        return try await engine.answer(
            AnswerRequest(question: question), frames: frames, model: model(), video: video,
            progress: { _, _ in })
    }

    @Test func `one model is loaded for each folder, element type and format of the weights`()
        async throws
    {
        let script = Script()
        let engine = try Self.engine(script)
        try await engine.load(Self.model())
        try await engine.load(Self.model())
        try await engine.load(Self.model("m", .fp8))
        try await engine.load(Self.model(), keepsOthers: true)
        try await engine.load(Self.model("m", .fp8), keepsOthers: true)
        #expect(
            script.events == [
                "open m bfloat16 as-is", "open m bfloat16 fp8", "open m bfloat16 as-is",
            ]
        )
        var changed = Self.model()
        changed.fingerprint = "another"
        await #expect(throws: ModelError.self) { try await engine.load(changed) }
    }

    @Test func `the second question about a video skips the tower`() async throws {
        let script = Script()
        let engine = try Self.engine(script)
        let first = try await Self.ask(engine, "1", Self.video("a"))
        #expect(!first.isVideoShared && first.generated.visionMS == 40)
        let second = try await Self.ask(engine, "2", Self.video("a"), frames: nil)
        #expect(second.isVideoShared && second.generated.visionMS == 0)
        let other = try await Self.ask(engine, "3", Self.video("b"))
        #expect(!other.isVideoShared)
        let alone = try await Self.ask(engine, "4", nil)
        #expect(!alone.isVideoShared)
        #expect(script.events.filter { $0.hasPrefix("encode") }.count == 3)
    }

    @Test func `questions share the prefix where the method does not look at them`() async throws {
        let script = Script()
        let engine = try Self.engine(script)
        try await engine.load(Self.model())
        func ask(
            _ name: String, _ change: (inout PrefillConfiguration) -> Void
        ) async throws -> (isShared: Bool, milliseconds: Double) {
            var prefill = PrefillConfiguration(method: .full)
            change(&prefill)
            let reply = try await engine.answer(
                AnswerRequest(question: "?", prefill: prefill), frames: Self.frames,
                model: Self.model(), video: Self.video(name), progress: { _, _ in })
            return (reply.isPrefixShared, reply.generated.prefillMS)
        }
        #expect(try await ask("a") { _ in } == (false, 70))
        #expect(try await ask("a") { _ in } == (true, 0))
        // What full does not use makes no other prefix; what enters the decoder does.
        #expect(try await ask("a") { $0.tau = 0.5 } == (true, 0))
        #expect(try await ask("a") { $0.premerge = .evs } == (false, 70))
        #expect(try await ask("a") { $0 = PrefillConfiguration(method: .zipvl) } == (false, -1))
        #expect(try await ask("a") { $0.kv = .zipcache } == (false, -1))
        // Room for two: the third sends the least recently used away.
        #expect(try await ask("b") { _ in } == (false, 70))
        #expect(try await ask("a") { _ in } == (false, 70))
        #expect(script.events.filter { $0 == "prefix" }.count == 4)
    }

    @Test func `the least recently used video goes when there is no room`() async throws {
        let script = Script()
        // Two videos of 4 x 8 float32.
        let engine = try Self.engine(script, videoBytes: 256)
        for name in ["a", "b", "a", "c"] { _ = try await Self.ask(engine, "?", Self.video(name)) }
        #expect(try await Self.ask(engine, "?", Self.video("a"), frames: nil).isVideoShared)
        #expect(try await Self.ask(engine, "?", Self.video("c"), frames: nil).isVideoShared)
        await #expect(throws: EngineActor.FramesMissing.self) {
            try await Self.ask(engine, "?", Self.video("b"), frames: nil)
        }
        let none = try Self.engine(Script(), videoBytes: 0)
        _ = try await Self.ask(none, "?", Self.video("a"))
        #expect(try await !Self.ask(none, "?", Self.video("a")).isVideoShared)
    }

    @Test func `another model forgets the videos`() async throws {
        let engine = try Self.engine(Script())
        engine.register.announce(.stub, Self.video("a"))
        try await engine.load(Self.model())
        #expect(engine.register.frames(Self.video("a")) != nil)
        _ = try await Self.ask(engine, "1", Self.video("a"))
        engine.register.announce(.stub, Self.video("a"))
        try await engine.load(Self.model("other"))
        #expect(engine.register.frames(Self.video("a")) == nil)
        await #expect(throws: EngineActor.FramesMissing.self) {
            try await Self.ask(engine, "2", Self.video("a"), frames: nil)
        }
    }

    @Test func `what was announced and not encoded is not waited for again`() async throws {
        let engine = try Self.engine(Script())
        let key = Self.video("a")
        engine.register.announce(.stub, key)
        #expect(engine.register.frames(key)?.pixels.isEmpty == true)
        await #expect(throws: ModelError.self) { try await Self.ask(engine, "too long", key) }
        #expect(engine.register.frames(key) == nil)
    }

    @Test func `out of memory is tried once more in smaller chunks, and said`() async throws {
        let script = Script(failures: 1)
        let engine = try Self.engine(script)
        let reply = try await Self.ask(engine, "?", Self.video("a"))
        #expect(
            script.events.dropFirst() == [
                "encode 4 by 64", "answer ? by 16384", "answer ? by 2048",
            ])
        #expect(reply.warnings.count == 1)
        #expect(
            reply.warnings.first
                == "cuda:0 ran out of memory (aten::linear); answered on a second try with 2048 rows "
                + "and 8 frames at a time instead of 16384 rows and 64 frames at a time")
        // The next job has the usual chunks again.
        let next = try await Self.ask(engine, "next", Self.video("b"))
        #expect(next.warnings.isEmpty)
        #expect(script.events.last == "answer next by 16384")
    }

    @Test func `no room for the tower gives up the kept videos`() async throws {
        let script = Script()
        let engine = try Self.engine(script)
        _ = try await Self.ask(engine, "1", Self.video("a"))
        let tight = Script(encodingFailures: 1)
        let other = try Self.engine(tight)
        _ = try await Self.ask(other, "1", Self.video("a"))
        #expect(
            tight.events.dropFirst() == ["encode 4 by 64", "encode 4 by 8", "answer 1 by 2048"])
        // Tokens of a smaller batch are not the next question's.
        #expect(try await !Self.ask(other, "2", Self.video("a")).isVideoShared)
    }

    @Test func `a second failure is the job's, of its class, and a CPU has no smaller chunks`()
        async throws
    {
        for (script, tries) in [
            (Script(failures: 2), 2), (Script(failures: 1, device: .cpu), 1),
        ] {
            let engine = try Self.engine(script)
            let error = await #expect(throws: TorchError.self) {
                try await Self.ask(engine, "?", Self.video("a"))
            }
            let failure = JobFailure(try #require(error), stage: "prefill")
            #expect(failure.failure.errorClass == .resource)
            #expect(failure.failure.code == "out_of_memory")
            #expect(!failure.isPermanent)
            #expect(script.events.filter { $0.hasPrefix("answer") }.count == tries)
        }
    }

    @Test func `the peak is the total less the lowest that was free while the job ran`()
        async throws
    {
        let free = Mutex<[Int64]>([700, 900, 400, 800])
        let memory = DeviceMemory(total: 1000) {
            free.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
        }
        let engine = try Self.engine(Script(), memory: memory)
        #expect(try await Self.ask(engine, "1", Self.video("a")).peakDeviceBytes == 600)
        // What was low before the job is none of its own.
        #expect(try await Self.ask(engine, "2", Self.video("a")).peakDeviceBytes == 200)
        let none = try Self.engine(Script())
        #expect(try await Self.ask(none, "1", nil).peakDeviceBytes == nil)
    }

    @Test func `what is taken and given back between two progress points is seen`() {
        let free = Mutex<Int64>(900)
        let watch = DeviceMemoryWatch(
            DeviceMemory(total: 1000) { free.withLock { $0 } }, interval: .milliseconds(1))
        watch.during {
            free.withLock { $0 = 100 }
            for _ in 0..<2000 where watch.peakBytes != 900 { usleep(1000) }
            free.withLock { $0 = 900 }
        }
        #expect(watch.peakBytes == 900)
    }

    @Test func `several requests about one video encode it once and fail by themselves`()
        async throws
    {
        let script = Script(failures: 1)
        let engine = try Self.engine(script)
        try await engine.load(Self.model())
        let results = Mutex<[Int: String]>([:])
        try await engine.answers(
            to: ["1", "too long", "3"].map { AnswerRequest(question: $0) }, frames: Self.frames,
            model: Self.model()
        ) { index, result in
            results.withLock {
                $0[index] =
                    switch result {
                    case .success(let reply): "\(reply.warnings.count) warnings"
                    case .failure(let error): "\(error)"
                    }
            }
        }
        #expect(results.withLock { $0[0] } == "1 warnings")
        #expect(results.withLock { $0[1] }?.contains("too long") == true)
        #expect(results.withLock { $0[2] } == "0 warnings")
        // The first was tried again by itself.
        #expect(
            script.events.dropFirst() == [
                "encode 4 by 64", "answer 1 by 16384", "answer 3 by 16384", "encode 4 by 8",
                "answer 1 by 2048",
            ])
    }
}

extension GeneratedAnswer {
    static let stub = GeneratedAnswer(
        text: "yes", outputIDs: [1], finishReason: .stop, visualTokens: 4, promptTokens: 9,
        outputTokens: 1, attnFLOPsDense: 1, attnFLOPsUsed: 1, llmFLOPsDense: 1, llmFLOPsUsed: 1,
        kvCacheBytesDense: 1, kvCacheBytesUsed: 1, visionMS: 0, prefillMS: 0, generateMS: 0,
        layers: LayerFigures([], promptTokens: 9))
}

extension SampledFrames {
    static let stub = SampledFrames(
        pixels: [1], count: 1, width: 1, height: 1, frameIndex: [0], requestedIndex: [0],
        framePTSMilliseconds: [0],
        facts: VideoFacts(
            container: "mp4", codec: "h264", width: 1, height: 1, rotation: 0,
            durationMilliseconds: 40,
            frameCount: 1, framesPerSecond: 25), warnings: [], sampling: .exact, hardware: .none,
        decodeMilliseconds: 5, childPeakBytes: 9, packetsRead: 1, framesDecoded: 1,
        framesNeeded: 1)
}
