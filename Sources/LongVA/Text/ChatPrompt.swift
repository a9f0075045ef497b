/// The prompt of one question as LongVA was trained on it: ChatML with Qwen's default system text, the
/// video at the start of the user's turn (`conv_qwen` in longva/conversation.py).
///
///     <|im_start|>system⏎You are a helpful assistant.<|im_end|>⏎
///     <|im_start|>user⏎[visual tokens]⏎{question}<|im_end|>⏎
///     <|im_start|>assistant⏎
///
/// What stands before and after the visual tokens is tokenised separately, as `tokenizer_image_token`
/// in longva/mm_utils.py does. The question is data: `<|im_end|>` or `<image>` in it is plain text.
package struct ChatPrompt: Sendable {
    /// Stands in `ids` for one visual token.
    package static let visualPlaceholder = -200

    /// Ids before the visual tokens, up to and with `user⏎`.
    package let prefix: [Int]
    /// Ids after the visual tokens, from `⏎{question}` to `assistant⏎`.
    package let suffix: [Int]

    /// - Parameter choices: answers to pick from, or nil for an open question.
    package init(question: String, choices: [String]?, tokenizer: Qwen2Tokenizer) {
        let user = Self.userText(question: question, choices: choices)
        let newline = tokenizer.encode("\n")
        let start = [tokenizer.imStart]
        let end = [tokenizer.imEnd] + newline
        let system = tokenizer.encode("system\nYou are a helpful assistant.")
        prefix = start + system + end + start + tokenizer.encode("user\n")
        suffix = tokenizer.encode("\n" + user) + end + start + tokenizer.encode("assistant\n")
    }

    /// The whole prompt: `prefix`, the placeholder `visualTokens` times, `suffix`.
    package func ids(visualTokens: Int) -> [Int] {
        prefix + Array(repeating: Self.visualPlaceholder, count: max(0, visualTokens)) + suffix
    }

    /// The question, and for multiple choice a lettered line for each answer and lmms-eval's
    /// instruction (lmms_eval/tasks/longvideobench/utils.py).
    package static func userText(question: String, choices: [String]?) -> String {
        guard let choices, !choices.isEmpty else { return question }
        let lines = choices.enumerated().map { "\(letter($0)). \($1)" }
        let instruction = "Answer with the option's letter from the given choices directly."
        return ([question] + lines + [instruction]).joined(separator: "\n")
    }

    /// A to Z, then AA, AB, as in a spreadsheet.
    package static func letter(_ index: Int) -> String {
        let last = String(Unicode.Scalar(UInt8(65 + index % 26)))
        return index < 26 ? last : letter(index / 26 - 1) + last
    }
}
