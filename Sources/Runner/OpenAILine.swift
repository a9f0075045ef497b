import Foundation
import Jobs

/// One line of an OpenAI batch input file: a chat completion with one video and text.
///
/// ```
/// {"custom_id": "a1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "…",
///  "messages": [{"role": "user", "content": [
///    {"type": "video_url", "video_url": {"url": "file:///data/p.mp4"}},
///    {"type": "text", "text": "What happens?"}]}]}}
/// ```
/// What cannot be honoured is an error rather than left out. The name in `model` is not looked at:
/// `--model` says which one answers.
struct OpenAILine {
    private let fields: ManifestFields
    private let maxNewTokens: Int?

    /// - Parameter maxNewTokens: of the whole call
    init(_ fields: ManifestFields, maxNewTokens: Int?) {
        self.fields = fields
        self.maxNewTokens = maxNewTokens
    }

    func item(_ absolute: (String) -> String) throws(JobFileError) -> EnqueueItem {
        try fields.check(["custom_id", "method", "url", "body"])
        if let method = try fields.text("method"), method.uppercased() != "POST" {
            throw fields.error("`method` \(method): expected POST")
        }
        if let url = try fields.text("url"), !url.hasSuffix("/chat/completions") {
            throw fields.error("`url` \(url): expected /v1/chat/completions")
        }
        guard let body = try fields.object("body") else { throw fields.error("`body` is missing") }
        try checkSettings(body)
        guard let messages = try body.objects("messages"), messages.count == 1,
            let message = messages.first
        else { throw fields.error("`body.messages`: expected one message") }
        try message.check(["role", "content", "name"])
        guard try message.text("role") == "user" else {
            throw fields.error("`body.messages[0].role`: expected user")
        }
        guard !message.isText("content"), let parts = try message.objects("content") else {
            throw fields.error(
                "`body.messages[0].content`: expected a list with a video and a text")
        }
        var video: String?
        var texts: [String] = []
        for part in parts {
            switch try part.text("type") {
            case "text":
                if let text = try part.text("text") { texts.append(text) }
            case "video_url", "video":
                guard video == nil else { throw fields.error("more than one video") }
                video = try path(part)
            case let type:
                throw fields.error(
                    "a part of type `\(type ?? "")`; expected text and video_url")
            }
        }
        guard let video else { throw fields.error("there is no video_url") }
        guard !texts.isEmpty else { throw fields.error("there is no text to ask") }
        return EnqueueItem(
            path: absolute(video), question: texts.joined(separator: "\n"),
            customID: try fields.text("custom_id"))
    }

    private func checkSettings(_ body: ManifestFields) throws(JobFileError) {
        try body.check([
            "model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "n",
            "seed", "stream", "user", "metadata",
        ])
        for key in ["max_tokens", "max_completion_tokens"] {
            guard let asked = try body.integer(key, in: 1...1_000_000), let maxNewTokens,
                asked != maxNewTokens
            else { continue }
            throw fields.error(
                "`body.\(key)` is \(asked), this call's is \(maxNewTokens): give --max-new-tokens "
                    + "\(asked)")
        }
        if let temperature = try body.number("temperature"), temperature != 0 {
            throw fields.error(
                "`body.temperature` is \(temperature): the likeliest token is always taken, "
                    + "expected 0")
        }
        if let count = try body.integer("n", in: 1...1000), count != 1 {
            throw fields.error("`body.n` is \(count), expected 1")
        }
    }

    /// `{"url": "file:///…"}`, or the address itself.
    private func path(_ part: ManifestFields) throws(JobFileError) -> String {
        let key = part.has("video_url") ? "video_url" : "video"
        let text =
            part.isText(key) ? try part.text(key) : try part.object(key)?.text("url")
        guard let text else { throw fields.error("`\(key)` has no `url`") }
        guard text.hasPrefix("file://") else {
            if text.hasPrefix("data:") || text.contains("://") {
                throw fields.error(
                    "the video is at `\(text.prefix(60))`; expected a path or file:///PATH")
            }
            return text
        }
        let rest = text.dropFirst("file://".count)
        guard rest.hasPrefix("/"), let path = String(rest).removingPercentEncoding else {
            throw fields.error("`\(text.prefix(60))`: expected file:///PATH")
        }
        return path
    }
}
