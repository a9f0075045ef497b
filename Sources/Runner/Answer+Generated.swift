import Foundation
package import Jobs
import LongVA
package import VideoFrames

extension Answer {
    /// The answer row of one generated answer.
    init(
        _ reply: EngineActor.Reply, _ verdict: Scoring.Verdict, _ frames: SampledFrames,
        totalMS: Double
    ) {
        let generated = reply.generated
        self.init(
            answer: generated.text, choice: verdict.choice, correct: verdict.correct,
            finishReason: generated.finishReason == .stop ? .stop : .length,
            framesUsed: frames.count, visualTokens: generated.visualTokens,
            promptTokens: generated.promptTokens, outputTokens: generated.outputTokens,
            keptTokenRatioMean: generated.keptTokenRatioMean,
            attnFLOPsDense: generated.attnFLOPsDense, attnFLOPsUsed: generated.attnFLOPsUsed,
            attnFLOPsSavedPctPaper: generated.attnFLOPsSavedPctPaper,
            llmFLOPsDense: generated.llmFLOPsDense, llmFLOPsUsed: generated.llmFLOPsUsed,
            kvCacheBytesDense: generated.kvCacheBytesDense,
            kvCacheBytesUsed: generated.kvCacheBytesUsed,
            // The child decodes beside the model, so both peaks may stand at once.
            peakHostBytes: ProcessMemory.peakBytes + frames.childPeakBytes,
            peakDeviceBytes: reply.peakDeviceBytes,
            decodeVideoMS: frames.decodeMilliseconds, visionMS: generated.visionMS,
            prefillMS: generated.prefillMS, generateMS: generated.generateMS, totalMS: totalMS,
            warnings: frames.warnings + reply.warnings, substitutedFrames: frames.substituted,
            extraJSON: AnswerDetails(reply, frames).json)
    }
}

extension SampledFrames {
    /// Rows that do not show the frame that was asked for.
    package var substituted: [SubstitutedFrame] {
        zip(requestedIndex, frameIndex).enumerated().filter { $0.element.0 != $0.element.1 }
            .map { SubstitutedFrame(row: $0, requested: $1.0, shown: $1.1) }
    }
}

/// What has no column: per-layer arrays, and which frames were seen.
private struct AnswerDetails: Encodable {
    let layers: LayerFigures
    let frameIndex: [Int]
    let framesDecoded: Int
    let packetsRead: Int
    let framesFromCache: Bool
    let visualTokensShared: Bool
    let visualPrefixShared: Bool
    let hardware: HardwareDecoding

    init(_ reply: EngineActor.Reply, _ frames: SampledFrames) {
        layers = reply.generated.layers
        visualTokensShared = reply.isVideoShared
        visualPrefixShared = reply.isPrefixShared
        frameIndex = frames.frameIndex
        framesDecoded = frames.framesDecoded
        packetsRead = frames.packetsRead
        framesFromCache = frames.isFromCache
        hardware = frames.hardware
    }

    enum CodingKeys: String, CodingKey {
        case frameIndex = "frame_index"
        case framesDecoded = "frames_decoded"
        case packetsRead = "packets_read"
        case framesFromCache = "frames_from_cache"
        case visualTokensShared = "visual_tokens_shared"
        case visualPrefixShared = "visual_prefix_shared"
        case hardware = "hwaccel"
    }

    func encode(to encoder: any Encoder) throws {
        try layers.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(frameIndex, forKey: .frameIndex)
        try container.encode(framesDecoded, forKey: .framesDecoded)
        try container.encode(packetsRead, forKey: .packetsRead)
        try container.encode(framesFromCache, forKey: .framesFromCache)
        try container.encode(visualTokensShared, forKey: .visualTokensShared)
        try container.encode(visualPrefixShared, forKey: .visualPrefixShared)
        try container.encode(hardware, forKey: .hardware)
    }

    /// `nil` when a number has no place in JSON (infinite): the answer itself still counts.
    var json: String? {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) }
    }
}
