import Foundation
import Jobs
import Synchronization
import Testing
import Torch
import VideoFrames

@testable import LongVA
@testable import Runner

/// The real engine with the embedded model: a group is sampled and encoded once, and answers as single
/// jobs do.
@Suite(.timeLimit(.minutes(10))) struct SharedGroupTests {
    private struct Engine {
        let engine: LongVAEngine
        let sampled: Counter
    }

    private final class Counter: Sendable {
        private let value = Mutex(0)
        var count: Int { value.withLock { $0 } }
        func add() { value.withLock { $0 += 1 } }
    }

    /// - Parameter bytes: of visual tokens and of prefixes that are kept
    private static func engine(bytes: Int) throws -> Engine {
        _ = try TorchLibrary.load()
        let sampled = Counter()
        let source = FrameSource(cache: nil) { request, _ in
            sampled.add()
            return try FrameSampler.sample(request)
        }
        let model = EngineActor(device: "cpu", videoBytes: bytes, prefixBytes: bytes)
        return Engine(
            engine: LongVAEngine(source: source, sharesVideos: true, model: model),
            sampled: sampled)
    }

    private static func claims(_ method: PrefillMethodName) throws -> [Claim] {
        let clip = FrameSourceTests.clip
        let model = try ModelReference(nil)
        var request = AnalysisRequest()
        try request.set(.method, to: method.rawValue)
        try request.set(.frames, to: "4")
        try request.set(.maxNewTokens, to: "4")
        let options = try AnalysisOptions(request, on: .cpu)
        let file = try ContentIdentity.ofFile(clip)
        let questions = ["What is shown?", "How many?", "Which colour does it have?"]
        return questions.enumerated().map { index, question in
            Claim(
                job: JobID(index + 1), attempt: AttemptID(index + 1), number: 1, maxAttempts: 3,
                batch: "b",
                video: VideoRecord(
                    contentID: file.id, path: clip, sizeBytes: file.sizeBytes,
                    mtimeNanoseconds: file.mtimeNanoseconds),
                model: model.name, modelSHA256: model.sha256, optionsJSON: options.json,
                question: question, timeout: .seconds(600), leaseUntil: .distantFuture,
                dedupeKey: "k\(index)")
        }
    }

    enum PrefillMethodName: String, Sendable { case full, zipvl }

    /// What of an answer does not tell the time.
    private static func essence(_ answer: Answer) -> Answer {
        var answer = answer
        (answer.totalMS, answer.peakHostBytes) = (0, 0)
        (answer.decodeVideoMS, answer.visionMS, answer.prefillMS) = (nil, nil, nil)
        (answer.generateMS, answer.extraJSON) = (nil, nil)
        return answer
    }

    @Test(arguments: [(PrefillMethodName.full, 0), (.zipvl, 0), (.full, 1 << 30)])
    func `a job alone and in a group gives the same answer, and a group is encoded once`(
        _ method: PrefillMethodName, _ bytes: Int
    ) async throws {
        let claims = try Self.claims(method)
        var alone: [Answer] = []
        // Keeps nothing from one to the next.
        let single = try Self.engine(bytes: 0)
        for claim in claims {
            let prepared = try await single.engine.prepare(claim)
            alone.append(try await single.engine.answer(claim, prepared) { _, _ in })
        }
        #expect(single.sampled.count == claims.count)
        let group = try Self.engine(bytes: bytes)
        let prepared = try await group.engine.prepare(group: claims).map { try $0.get() }
        var together: [Answer] = []
        for (claim, input) in zip(claims, prepared) {
            together.append(try await group.engine.answer(claim, input) { _, _ in })
        }
        await group.engine.finish(group: prepared[0])
        #expect(group.sampled.count == 1)
        #expect(together.map(Self.essence) == alone.map(Self.essence))
        let layers = try [alone, together].map { try $0.map(Self.layers) }
        #expect(layers[0] == layers[1])
        for (index, answer) in together.enumerated() {
            let extra = try #require(answer.extraJSON)
            #expect(extra.contains("\"visual_tokens_shared\":\(index > 0)"))
            if method == .full { #expect(extra.contains("\"visual_prefix_shared\":\(index > 0)")) }
        }
        // What is larger than the cache stays no longer than its group.
        let again = try await group.engine.answer(claims[0], prepared[0]) { _, _ in }
        #expect(try #require(again.extraJSON).contains("\"visual_tokens_shared\":\(bytes > 0)"))
    }

    /// The per-layer figures, without what tells of sharing and of the reading that the decoder's threads
    /// happened to do.
    private static func layers(_ answer: Answer) throws -> String {
        let data = Data(try #require(answer.extraJSON).utf8)
        var object = try #require(
            try JSONSerialization.jsonObject(with: data) as? [String: Any])
        for key in [
            "visual_tokens_shared", "visual_prefix_shared", "frames_from_cache", "packets_read",
            "frames_decoded",
        ] { object[key] = nil }
        return String(
            decoding: try JSONSerialization.data(withJSONObject: object, options: .sortedKeys),
            as: UTF8.self)
    }
}
