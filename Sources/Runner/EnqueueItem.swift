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
}
