package import SparsePrefill
import Torch

extension LongVAModel {
    /// One full prefill of a question about a video, in which `search` measures its candidates.
    ///
    /// - Returns: prompt tokens.
    /// - Throws: `ModelError` for frames and prompt length; `TorchError` from libtorch.
    package func measure(
        _ search: MInferenceSearch, question: String, frames: FrameBatch,
        progress: (String, Double) throws -> Void = { _, _ in }
    ) throws -> Int {
        TorchLibrary.disableGradients()
        let chat = ChatPrompt(question: question, choices: nil, tokenizer: tokenizer)
        let visualTokens = frames.count * pooling.tokensPerFrame
        let n = chat.prefix.count + visualTokens + chat.suffix.count
        if let limit = layout.configuration.promptLimit, n > limit {
            throw ModelError(
                .promptTooLong,
                "\(n) prompt tokens exceed the model's \(limit) (tokenizer_model_max_length); "
                    + "use fewer frames")
        }
        let video = try encode(frames, progress: progress)
        let embeddings = try Tensor.concatenated(
            [
                decoder.embed(chat.prefix), video.tokens.unsqueezed(0), decoder.embed(chat.suffix),
            ], axis: 1)
        let start = chat.prefix.count
        let prompt = Qwen2Model.Prompt(
            embeddings: embeddings,
            layout: PromptLayout(count: n, visual: start..<start + visualTokens))
        let layers = decoder.configuration.layerCount
        var cache = KVCache(
            room: 0, plan: KVCachePlan(PrefillConfiguration(method: .full), layerCount: layers))
        _ = try decoder.prefill(prompt, plan: PrefillPlan(policy: search), cache: &cache) {
            layer, _ in try progress("search", Double(layer) / Double(layers))
        }
        return n
    }
}
