import Foundation
package import Jobs

/// A picture to be found among the frames of a video, and the question that only it answers.
package struct Needle: Sendable, Equatable {
    /// A picture, or a video whose first frame counts.
    package var path: String
    package var question: String
    package var choices: [String]?
    package var expected: String

    package init(path: String, question: String, choices: [String]? = nil, expected: String) {
        self.path = path
        self.question = question
        self.choices = choices
        self.expected = expected
    }

    /// Reads needles, one a line; paths are relative to the file's folder.
    ///
    /// ```
    /// {"image": "needle_1.png", "question": "…", "choices": ["…"], "expected": "…"}
    /// ```
    /// - Throws: `JobFileError` naming file and line
    package static func read(contentsOf path: String) throws(JobFileError) -> [Needle] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw JobFileError(path, nil, "cannot be read")
        }
        guard let text = String(data: data, encoding: .utf8) else {
            throw JobFileError(path, nil, "is not UTF-8 text")
        }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
        var needles: [Needle] = []
        // By Unicode scalar: a line end of CR LF is a single Character.
        let lines = text.unicodeScalars.split(
            separator: "\n", omittingEmptySubsequences: false)
        for (index, scalars) in lines.enumerated() {
            let line = String(scalars).trimmingCharacters(in: .whitespacesAndNewlines)
            if line.isEmpty { continue }
            do {
                needles.append(try Needle(line: line, folder: folder))
            } catch {
                throw JobFileError(path, index + 1, error.message)
            }
        }
        guard !needles.isEmpty else { throw JobFileError(path, nil, "holds no needle") }
        return needles
    }

    private struct LineError: Error { var message: String }

    private static let keys = ["image", "video", "question", "choices", "expected", "custom_id"]

    private init(line: String, folder: URL) throws(LineError) {
        let parsed = try? JSONSerialization.jsonObject(with: Data(line.utf8))
        guard let object = parsed as? [String: Any] else {
            throw LineError(message: "is not a JSON object")
        }
        if let unknown = object.keys.sorted().first(where: { !Self.keys.contains($0) }) {
            throw LineError(
                message: "unknown key `\(unknown)`; known: \(Self.keys.joined(separator: ", "))")
        }
        func text(_ key: String) throws(LineError) -> String {
            guard let text = object[key] as? String, !text.isEmpty else {
                throw LineError(message: "`\(key)`: expected text")
            }
            return text
        }
        let kinds = ["image", "video"].filter { object[$0] != nil }
        guard let kind = kinds.first, kinds.count == 1 else {
            throw LineError(message: "expected one of `image` and `video`")
        }
        path =
            URL(
                fileURLWithPath: try text(kind),
                relativeTo: URL(fileURLWithPath: folder.path, isDirectory: true)
            ).standardizedFileURL.path
        question = try text("question")
        expected = try text("expected")
        if let value = object["choices"], !(value is NSNull) {
            guard let list = value as? [String], (2...26).contains(list.count) else {
                throw LineError(message: "`choices`: expected a list of 2 to 26 texts")
            }
            choices = list
        }
    }
}
