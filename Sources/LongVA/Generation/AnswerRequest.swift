package import SparsePrefill

/// One question about one batch of frames.
package struct AnswerRequest: Sendable {
    package var question: String
    /// Multiple choice options without letters; they are listed as A, B, C …
    package var choices: [String]?
    package var maxNewTokens: Int
    package var prefill: PrefillConfiguration
    package var trace: TraceRequest?

    package init(
        question: String, choices: [String]? = nil, maxNewTokens: Int = 64,
        prefill: PrefillConfiguration = PrefillConfiguration(), trace: TraceRequest? = nil
    ) {
        self.question = question
        self.choices = choices
        self.maxNewTokens = maxNewTokens
        self.prefill = prefill
        self.trace = trace
    }

    /// Whether the video must be encoded with its class attention.
    package var needsClassAttention: Bool { prefill.makePolicy().needsClassAttention }
}

/// Where the tensors of one answer are written, with what only the sampler knows about the frames.
package struct TraceRequest: Sendable {
    package var path: String
    /// Milliseconds from the first displayed frame, one per sampled frame.
    package var framePTSMilliseconds: [Double]
    /// Index of each sampled frame in presentation order.
    package var frameIndex: [Int]
    /// Frames as decoded, [N, height, width, 3]; `nil` leaves `frames_full` out.
    package var fullFrames: FullFrames?
    /// Every resolved option as JSON, stored under the metadata key `options`.
    package var optionsJSON: String
    /// Adds `hidden.0` … `hidden.L`, the embeddings and each layer's output, float32 [R, D] of the R
    /// tokens that the layer had.
    package var includesHiddenStates: Bool

    package struct FullFrames: Sendable {
        package var pixels: [UInt8]
        package var width: Int
        package var height: Int

        package init(pixels: [UInt8], width: Int, height: Int) {
            self.pixels = pixels
            self.width = width
            self.height = height
        }
    }

    package init(
        path: String, framePTSMilliseconds: [Double] = [], frameIndex: [Int] = [],
        fullFrames: FullFrames? = nil, optionsJSON: String = "{}",
        includesHiddenStates: Bool = false
    ) {
        self.path = path
        self.framePTSMilliseconds = framePTSMilliseconds
        self.frameIndex = frameIndex
        self.fullFrames = fullFrames
        self.optionsJSON = optionsJSON
        self.includesHiddenStates = includesHiddenStates
    }
}
