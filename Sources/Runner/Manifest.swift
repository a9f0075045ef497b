package import Foundation
package import Jobs

/// Lists of videos: JSONL manifests, one question about one video a line, and plain lists of paths.
///
/// ```
/// {"custom_id": "a1", "video": "p.mp4", "question": "…", "choices": ["…"], "expected": "…", "priority": 0}
/// ```
/// A line without a question is asked all questions of the batch. A line that does not begin with `{`
/// is a path.
package struct Manifest: Sendable {
    /// For messages.
    package var name: String
    /// What relative paths of videos are relative to.
    package var folder: String
    /// Asked where a line has no question of its own.
    package var questions: [JobFile.Question]

    package init(name: String, folder: String, questions: [JobFile.Question]) {
        self.name = name
        self.folder = folder
        self.questions = questions
    }

    /// Reads a manifest file; paths are relative to its folder.
    package static func items(
        contentsOf path: String, questions: [JobFile.Question]
    ) throws(JobFileError) -> [EnqueueItem] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw JobFileError(path, nil, "cannot be read")
        }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        return try Manifest(name: path, folder: folder, questions: questions).items(in: data)
    }

    package func items(in data: Data) throws(JobFileError) -> [EnqueueItem] {
        guard let text = String(data: data, encoding: .utf8) else {
            throw JobFileError(name, nil, "is not UTF-8 text")
        }
        var items: [EnqueueItem] = []
        // By Unicode scalar: a line end of CR LF is a single Character.
        let lines = text.unicodeScalars.split(
            separator: "\n", omittingEmptySubsequences: false)
        for (index, scalars) in lines.enumerated() {
            let line = String(scalars).trimmingCharacters(in: .whitespacesAndNewlines)
            if line.isEmpty { continue }
            items += try self.items(line, number: index + 1)
        }
        return items
    }

    private func items(_ line: String, number: Int) throws(JobFileError) -> [EnqueueItem] {
        func error(_ message: String) -> JobFileError { JobFileError(name, number, message) }
        guard line.hasPrefix("{") else {
            guard !questions.isEmpty else { throw error("a path, but there is no question to ask") }
            return questions.map { EnqueueItem(path: absolute(line), $0) }
        }
        let object = try ManifestLine(line, error)
        guard let question = object.question else {
            guard !questions.isEmpty else { throw error("`question` is missing") }
            return questions.map { question in
                var item = EnqueueItem(path: absolute(object.video), question)
                item.customID = object.customID ?? question.id
                item.priority = object.priority
                return item
            }
        }
        return [
            EnqueueItem(
                path: absolute(object.video), question: question, choices: object.choices,
                expected: object.expected, customID: object.customID, priority: object.priority)
        ]
    }

    private func absolute(_ path: String) -> String {
        URL(fileURLWithPath: path, relativeTo: URL(fileURLWithPath: folder, isDirectory: true))
            .standardizedFileURL.path
    }
}

/// One object of a manifest.
private struct ManifestLine {
    var customID: String?
    var video: String
    var question: String?
    var choices: [String]?
    var expected: String?
    var priority: Int?

    private static let keys = [
        "custom_id", "video", "question", "choices", "expected", "priority",
    ]

    init(_ line: String, _ error: (String) -> JobFileError) throws(JobFileError) {
        let parsed: Any
        do { parsed = try JSONSerialization.jsonObject(with: Data(line.utf8)) } catch let problem {
            // The parser's own words say where in the line.
            let words = (problem as NSError).userInfo[NSDebugDescriptionErrorKey] as? String
            throw error("is not JSON: \(words ?? "\(problem)")")
        }
        guard let object = parsed as? [String: Any] else { throw error("is not an object") }
        if let unknown = object.keys.sorted().first(where: { !Self.keys.contains($0) }) {
            throw error("unknown key `\(unknown)`; known: \(Self.keys.joined(separator: ", "))")
        }
        func text(_ key: String) throws(JobFileError) -> String? {
            guard let value = object[key], !(value is NSNull) else { return nil }
            guard let text = value as? String, !text.isEmpty else {
                throw error("`\(key)`: expected text")
            }
            return text
        }
        guard let video = try text("video") else { throw error("`video` is missing") }
        self.video = video
        customID = try text("custom_id")
        question = try text("question")
        expected = try text("expected")
        if let value = object["choices"], !(value is NSNull) {
            guard let list = value as? [String], (2...26).contains(list.count) else {
                throw error("`choices`: expected a list of 2 to 26 texts")
            }
            choices = list
        }
        if let value = object["priority"], !(value is NSNull) {
            guard let number = value as? Int, (-1000...1000).contains(number) else {
                throw error("`priority`: expected a whole number from -1000 to 1000")
            }
            priority = number
        }
    }
}
