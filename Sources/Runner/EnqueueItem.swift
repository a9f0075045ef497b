package import Jobs

/// One question about one video, before the file has been looked at.
package struct EnqueueItem: Sendable, Equatable {
    /// Absolute path.
    package var path: String
    package var question: String
    package var choices: [String]?
    package var expected: String?
    package var customID: String?
    /// `nil`: the batch's.
    package var priority: Int?

    package init(
        path: String, question: String, choices: [String]? = nil, expected: String? = nil,
        customID: String? = nil, priority: Int? = nil
    ) {
        self.path = path
        self.question = question
        self.choices = choices
        self.expected = expected
        self.customID = customID
        self.priority = priority
    }

    package init(path: String, _ question: JobFile.Question) {
        self.init(
            path: path, question: question.text, choices: question.choices,
            expected: question.expected, customID: question.id)
    }

    /// What a queue would refuse; `nil` when nothing is wrong.
    var problem: String? {
        if path.utf8.contains(0) { return "`video`: holds a NUL character" }
        return JobFile.Question(
            id: customID, text: question, choices: choices, expected: expected
        ).problem
    }
}

extension JobFile.Question {
    /// Unicode scalars of the longest question.
    static let longestText = 32768
    /// Bytes of the longest custom id.
    static let longestID = 1024

    /// What a queue would refuse; `nil` when nothing is wrong.
    package var problem: String? {
        let length = text.unicodeScalars.count
        if length < 1 || length > Self.longestText {
            return "the question has \(length) characters, expected 1 to \(Self.longestText)"
        }
        if let id, id.utf8.count > Self.longestID {
            return "`custom_id` has \(id.utf8.count) bytes, expected at most \(Self.longestID)"
        }
        for (name, text) in [
            ("question", text), ("expected", expected ?? ""), ("custom_id", id ?? ""),
        ] + (choices ?? []).map({ ("choices", $0) }) where text.utf8.contains(0) {
            return "`\(name)`: holds a NUL character, which no database takes"
        }
        return nil
    }
}
