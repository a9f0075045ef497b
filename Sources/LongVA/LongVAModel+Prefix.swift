package import SparsePrefill
import Torch

/// What the system prompt and one video leave in the decoder: the beginning of every question about the
/// video, for methods that do not look at the question.
package struct VisualPrefix {
    let decoded: Qwen2Model.Prefix
    /// Visual tokens that entered, ascending; `nil` is all.
    let visualKept: [Int]?
    /// What computing it took; 0 for one that was kept from an earlier answer.
    package var milliseconds: Double
    package let byteCount: Int
}

extension PrefillConfiguration {
    /// What decides the prefix of a video; equal settings give equal prefixes. `nil` where the choice of
    /// tokens looks at the question, or the cache is not kept as it is.
    package var sharedPrefix: PrefillConfiguration? {
        guard method == .full || method == .hired, kv == .full, retirement == nil else {
            return nil
        }
        var settings = PrefillConfiguration(method: method)
        if method == .hired { settings.hiredBudget = hiredBudget }
        settings.premerge = premerge
        if premerge != .none { settings.premergeRate = premergeRate }
        return settings
    }
}

extension LongVAModel {
    /// The largest prefix that is computed by itself, in bytes: 240 frames of LongVA-7B. A longer prompt
    /// is computed in one go, since its keys and values must not lie there twice.
    package static let prefixLimit = 2 << 30

    /// The prefix of a request about a video, with which `answer` takes the question only.
    ///
    /// An answer is always computed this way where it can be: alone or beside others, it is the same in
    /// every bit.
    /// - Returns: `nil` where the method looks at the question, and for a prompt that is too long
    package func prefix(
        _ request: AnswerRequest, video: EncodedVideo, progress: (String, Double) throws -> Void
    ) throws -> VisualPrefix? {
        TorchLibrary.disableGradients()
        try check(request, frames: video.frames)
        return try prefix(
            request, video, ChatPrompt(question: "", choices: nil, tokenizer: tokenizer),
            keepsHidden: false, progress: progress)
    }

    func prefix(
        _ request: AnswerRequest, _ video: EncodedVideo, _ chat: ChatPrompt, keepsHidden: Bool,
        progress: (String, Double) throws -> Void
    ) throws -> VisualPrefix? {
        guard request.prefill.sharedPrefix != nil else { return nil }
        var clock = StageClock()
        let visualKept = try chooseVisualTokens(PrefillPlan(request.prefill), video)
        let start = chat.prefix.count
        let rows = start + (visualKept?.count ?? video.tokens.shape[0])
        let geometry = decoder.decoderSizes.attention
        let bytes =
            decoder.configuration.layerCount
            * Int(
                KVCache.bytes(
                    entries: rows, keyValueHeads: geometry.keyValueHeads,
                    headWidth: geometry.headWidth, elementBytes: dtype.byteCount))
        guard bytes <= Self.prefixLimit else { return nil }
        let visual =
            try visualKept.map { try video.tokens.gathered(0, Tensor($0, on: device)) }
            ?? video.tokens
        try progress("prefill", 0)
        let decoded = try decoder.prefix(
            Tensor.concatenated([decoder.embed(chat.prefix), visual.unsqueezed(0)], axis: 1),
            positions: Array(0..<start)
                + (visualKept ?? Array(0..<video.tokens.shape[0])).map { start + $0 },
            keepsHidden: keepsHidden
        ) { layer in
            try progress("prefill", Double(layer) / Double(decoder.configuration.layerCount))
        }
        return VisualPrefix(
            decoded: decoded, visualKept: visualKept, milliseconds: clock.lap(), byteCount: bytes)
    }

    func chooseVisualTokens(_ plan: PrefillPlan, _ video: EncodedVideo) throws -> [Int]? {
        try plan.chooseVisualTokens(
            VisualTokens(
                tokens: video.tokens, tokensPerFrame: pooling.tokensPerFrame,
                classAttention: video.classAttention))
    }
}
