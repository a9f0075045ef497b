/// No back end stores the character U+0000 in a text: PostgreSQL refuses it, SQLite's C interface ends
/// the text there.
extension String {
    /// With U+FFFD in its place, for what a model or a library said: nothing of it may be lost.
    package var withoutNUL: String {
        utf8.contains(0) ? replacing("\0", with: "\u{FFFD}") : self
    }
}

extension NewJob {
    /// What every back end refuses, in words that name the job.
    package func validate() throws(QueueError) {
        func refuse(_ what: String) -> QueueError {
            QueueError(.invalid, "\(video.path.withoutNUL): \(what)")
        }
        let length = question.unicodeScalars.count
        guard (1...32768).contains(length) else {
            throw refuse("the question has \(length) characters, expected 1 to 32768")
        }
        let texts: [(String, String?)] = [
            ("the question", question), ("the expected answer", expected),
            ("the custom id", customID), ("the queue's name", queue), ("the path", video.path),
            ("the options", config.optionsJSON), ("the model", config.model),
        ]
        for (name, text) in texts + (choices ?? []).map({ ("a choice", $0) })
        where text?.utf8.contains(0) == true {
            throw refuse("\(name) contains the character U+0000")
        }
        guard !queue.isEmpty else { throw refuse("the queue has no name") }
        guard (-1000...1000).contains(priority) else {
            throw refuse("priority \(priority), expected -1000 to 1000")
        }
        guard maxAttempts > 0, maxCrashes > 0 else {
            throw refuse(
                "max attempts \(maxAttempts), max crashes \(maxCrashes), expected at least 1")
        }
    }
}

extension Failure {
    /// Without the character U+0000.
    package var storable: Failure {
        Failure(
            errorClass: errorClass, code: code.withoutNUL, message: message.withoutNUL,
            stage: stage?.withoutNUL)
    }
}
