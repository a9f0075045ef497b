/// An answer and what it cost.
package struct GeneratedAnswer: Sendable {
    package enum FinishReason: String, Sendable { case stop, length }

    package var text: String
    /// Generated ids without the end token.
    package var outputIDs: [Int]
    package var finishReason: FinishReason

    package var visualTokens: Int
    package var promptTokens: Int
    package var outputTokens: Int

    /// Mean over layers of the attended share of the prompt; `nil` for methods that choose pairs.
    package var keptTokenRatioMean: Double?
    package var attnFLOPsDense: Double
    package var attnFLOPsUsed: Double
    package var attnFLOPsSavedPctPaper: Double?
    package var llmFLOPsDense: Double
    package var llmFLOPsUsed: Double
    package var kvCacheBytesDense: Int64
    package var kvCacheBytesUsed: Int64

    package var visionMS: Double
    package var prefillMS: Double
    package var generateMS: Double
    /// Arrays indexed by layer.
    package var layers: LayerFigures
}

/// Per-layer numbers of one answer, stored as JSON (`answers.extra_json`).
package struct LayerFigures: Sendable, Codable, Equatable {
    /// Attended share of the prompt; null for methods that choose pairs, not tokens.
    package var keptRatio: [Double?]
    /// Share of the probed attention mass that the attended tokens hold; null without probes.
    package var massKept: [Double?]
    package var probesUsed: [Int]
    /// FNV-1a of the kept positions, as hexadecimal: equal sets have equal hashes.
    package var keptHash: [String?]

    enum CodingKeys: String, CodingKey {
        case keptRatio = "kept_ratio"
        case massKept = "mass_kept"
        case probesUsed = "probes_used"
        case keptHash = "kept_hash"
    }
}
