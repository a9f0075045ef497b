import Foundation
package import Jobs

/// Lists of videos: JSONL manifests, one question about one video a line, and plain lists of paths.
///
/// ```
/// {"custom_id": "a1", "video": "p.mp4", "question": "…", "choices": ["…"], "expected": "…", "priority": 0}
/// ```
/// A line without a question is asked all questions of the batch. A line that does not begin with `{`
/// is a path. Lines of an OpenAI batch are told by their `body`; see `OpenAILine`.
package struct Manifest: Sendable {
    package enum Format: String, Sendable, CaseIterable { case zipvl, openai }

    /// For messages.
    package var name: String
    /// What relative paths of videos are relative to.
    package var folder: String
    /// Asked where a line has no question of its own.
    package var questions: [JobFile.Question]
    /// `nil`: each line tells.
    package var format: Format?
    /// What an OpenAI line may ask for: the same for all jobs of one call.
    package var maxNewTokens: Int?

    package init(
        name: String, folder: String, questions: [JobFile.Question], format: Format? = nil,
        maxNewTokens: Int? = nil
    ) {
        self.name = name
        self.folder = folder
        self.questions = questions
        self.format = format
        self.maxNewTokens = maxNewTokens
    }

    /// What one line asks.
    ///
    /// - Parameter number: of the line, for messages
    /// - Throws: what is wrong with it
    package func items(_ line: String, number: Int) throws(JobFileError) -> [EnqueueItem] {
        func error(_ message: String) -> JobFileError { JobFileError(name, number, message) }
        let items = try parsed(line, error)
        for item in items {
            if let problem = item.problem { throw error(problem) }
        }
        return items
    }

    private func parsed(
        _ line: String, _ error: @escaping (String) -> JobFileError
    ) throws(JobFileError) -> [EnqueueItem] {
        guard line.utf8.first == UInt8(ascii: "{") else {
            guard format != .openai else { throw error("is not an object") }
            guard !questions.isEmpty else { throw error("a path, but there is no question to ask") }
            return questions.map { EnqueueItem(path: absolute(line), $0) }
        }
        let fields = try ManifestFields(line, error)
        if format == .openai || format == nil && fields.has("body") {
            return [try OpenAILine(fields, maxNewTokens: maxNewTokens).item(absolute)]
        }
        return try items(fields)
    }

    private func items(_ fields: ManifestFields) throws(JobFileError) -> [EnqueueItem] {
        try fields.check([
            "custom_id", "video", "question", "choices", "expected", "priority",
        ])
        guard let video = try fields.text("video") else {
            throw fields.error("`video` is missing")
        }
        let customID = try fields.text("custom_id")
        let priority = try fields.integer("priority", in: -1000...1000)
        guard let question = try fields.text("question") else {
            guard !questions.isEmpty else { throw fields.error("`question` is missing") }
            return questions.map { question in
                var item = EnqueueItem(path: absolute(video), question)
                item.customID = customID ?? question.id
                item.priority = priority
                return item
            }
        }
        return [
            EnqueueItem(
                path: absolute(video), question: question, choices: try fields.choices("choices"),
                expected: try fields.text("expected"), customID: customID, priority: priority)
        ]
    }

    private func absolute(_ path: String) -> String { AbsolutePath.of(path, in: folder) }
}

/// The members of one JSON object of a line.
struct ManifestFields {
    private let members: [String: Any]
    private let place: String
    let error: (String) -> JobFileError

    init(_ line: String, _ error: @escaping (String) -> JobFileError) throws(JobFileError) {
        let parsed: Any
        do { parsed = try JSONSerialization.jsonObject(with: Data(line.utf8)) } catch let problem {
            // The parser's own words say where in the line.
            let words = (problem as NSError).userInfo[NSDebugDescriptionErrorKey] as? String
            throw error("is not JSON: \(words ?? "\(problem)")")
        }
        guard let members = parsed as? [String: Any] else { throw error("is not an object") }
        self.members = members
        place = ""
        self.error = error
    }

    private init(
        _ members: [String: Any], _ place: String, _ error: @escaping (String) -> JobFileError
    ) {
        self.members = members
        self.place = place
        self.error = error
    }

    func has(_ key: String) -> Bool { value(key) != nil }

    /// - Throws: when there is a key that is none of these
    func check(_ known: [String]) throws(JobFileError) {
        if let unknown = members.keys.sorted().first(where: { !known.contains($0) }) {
            throw error(
                "unknown key `\(place)\(unknown)`; known: \(known.joined(separator: ", "))")
        }
    }

    func text(_ key: String) throws(JobFileError) -> String? {
        guard let value = value(key) else { return nil }
        guard let text = value as? String, !text.isEmpty else {
            throw error("`\(place)\(key)`: expected text")
        }
        return text
    }

    func integer(_ key: String, in range: ClosedRange<Int>) throws(JobFileError) -> Int? {
        guard let value = value(key) else { return nil }
        guard let number = value as? Int, range.contains(number) else {
            throw error(
                "`\(place)\(key)`: expected a whole number from \(range.lowerBound) to "
                    + "\(range.upperBound)")
        }
        return number
    }

    func number(_ key: String) throws(JobFileError) -> Double? {
        guard let value = value(key) else { return nil }
        guard let number = value as? Double else {
            throw error("`\(place)\(key)`: expected a number")
        }
        return number
    }

    func choices(_ key: String) throws(JobFileError) -> [String]? {
        guard let value = value(key) else { return nil }
        guard let list = value as? [String], (2...26).contains(list.count) else {
            throw error("`\(place)\(key)`: expected a list of 2 to 26 texts")
        }
        return list
    }

    func object(_ key: String) throws(JobFileError) -> ManifestFields? {
        guard let value = value(key) else { return nil }
        guard let members = value as? [String: Any] else {
            throw error("`\(place)\(key)`: expected an object")
        }
        return ManifestFields(members, place + key + ".", error)
    }

    func objects(_ key: String) throws(JobFileError) -> [ManifestFields]? {
        guard let value = value(key) else { return nil }
        guard let list = value as? [[String: Any]] else {
            throw error("`\(place)\(key)`: expected a list of objects")
        }
        return list.enumerated().map {
            ManifestFields($1, "\(place)\(key)[\($0)].", error)
        }
    }

    /// Whether the value is plain text rather than an object or a list.
    func isText(_ key: String) -> Bool { members[key] is String }

    private func value(_ key: String) -> Any? {
        guard let value = members[key], !(value is NSNull) else { return nil }
        return value
    }
}
