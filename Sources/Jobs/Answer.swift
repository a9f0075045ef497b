/// What an answer row stores (table `answers`). Times in milliseconds (monotonic), sizes in bytes.
package struct Answer: Sendable, Codable, Equatable {
    package enum FinishReason: String, Sendable, Codable { case stop, length, content }
    package var answer: String
    package var choice: String?
    package var correct: Bool?
    package var finishReason: FinishReason
    package var framesUsed: Int
    package var visualTokens: Int
    package var promptTokens: Int
    package var outputTokens: Int
    package var keptTokenRatioMean: Double?
    package var attnFLOPsDense: Double
    package var attnFLOPsUsed: Double
    package var attnFLOPsSavedPctPaper: Double?
    package var llmFLOPsDense: Double
    package var llmFLOPsUsed: Double
    package var kvCacheBytesDense: Int64
    package var kvCacheBytesUsed: Int64
    package var peakHostBytes: Int64
    package var peakDeviceBytes: Int64?
    package var decodeVideoMS: Double?
    package var visionMS: Double?
    package var prefillMS: Double?
    package var generateMS: Double?
    package var totalMS: Double
    package var warnings: [String]
    /// Rows of frames that show another frame than the one asked for, by row.
    package var substitutedFrames: [SubstitutedFrame]
    /// Per-layer numbers and whatever has no column, as JSON.
    package var extraJSON: String?

    package init(
        answer: String, choice: String? = nil, correct: Bool? = nil, finishReason: FinishReason,
        framesUsed: Int, visualTokens: Int, promptTokens: Int, outputTokens: Int,
        keptTokenRatioMean: Double? = nil, attnFLOPsDense: Double, attnFLOPsUsed: Double,
        attnFLOPsSavedPctPaper: Double? = nil, llmFLOPsDense: Double, llmFLOPsUsed: Double,
        kvCacheBytesDense: Int64, kvCacheBytesUsed: Int64, peakHostBytes: Int64,
        peakDeviceBytes: Int64? = nil, decodeVideoMS: Double? = nil, visionMS: Double? = nil,
        prefillMS: Double? = nil, generateMS: Double? = nil, totalMS: Double, warnings: [String],
        substitutedFrames: [SubstitutedFrame] = [], extraJSON: String? = nil
    ) {
        self.answer = answer
        self.choice = choice
        self.correct = correct
        self.finishReason = finishReason
        self.framesUsed = framesUsed
        self.visualTokens = visualTokens
        self.promptTokens = promptTokens
        self.outputTokens = outputTokens
        self.keptTokenRatioMean = keptTokenRatioMean
        self.attnFLOPsDense = attnFLOPsDense
        self.attnFLOPsUsed = attnFLOPsUsed
        self.attnFLOPsSavedPctPaper = attnFLOPsSavedPctPaper
        self.llmFLOPsDense = llmFLOPsDense
        self.llmFLOPsUsed = llmFLOPsUsed
        self.kvCacheBytesDense = kvCacheBytesDense
        self.kvCacheBytesUsed = kvCacheBytesUsed
        self.peakHostBytes = peakHostBytes
        self.peakDeviceBytes = peakDeviceBytes
        self.decodeVideoMS = decodeVideoMS
        self.visionMS = visionMS
        self.prefillMS = prefillMS
        self.generateMS = generateMS
        self.totalMS = totalMS
        self.warnings = warnings
        self.substitutedFrames = substitutedFrames
        self.extraJSON = extraJSON
    }
}
