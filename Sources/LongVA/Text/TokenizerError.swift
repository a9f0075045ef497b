/// What is wrong with a tokenizer's files, or that they are not there.
package struct TokenizerError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The file at fault, or the directory when a file is missing.
    package var file: String
    package var message: String

    package init(file: String, message: String) {
        self.file = file
        self.message = message
    }

    init(file: String, expected: String, found: String) {
        self.init(file: file, message: "expected \(expected), found \(found)")
    }

    package var description: String { "\(file): \(message)" }
}
