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

    /// Reads needles, one a line or in a list; paths are relative to the file's folder.
    ///
    /// ```
    /// {"image": "needle_1.png", "question": "…", "choices": ["…"], "expected": "…"}
    /// ```
    /// - Throws: `JobFileError` naming file and line
    package static func read(contentsOf path: String) throws(JobFileError) -> [Needle] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw JobFileError(path, nil, "cannot be read")
        }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        var needles: [Needle] = []
        for object in try AnnotationObject.all(data, file: path) {
            needles.append(try Needle(object, folder: folder))
        }
        guard !needles.isEmpty else { throw JobFileError(path, nil, "holds no needle") }
        return needles
    }

    private static let keys = ["image", "video", "question", "choices", "expected", "custom_id"]

    private init(_ object: AnnotationObject, folder: String) throws(JobFileError) {
        if let unknown = object.keys.subtracting(Self.keys).sorted().first {
            throw object.error(
                "unknown key `\(unknown)`; known: \(Self.keys.joined(separator: ", "))")
        }
        let kinds = ["image", "video"].filter(object.keys.contains)
        guard let kind = kinds.first, kinds.count == 1 else {
            throw object.error("expected one of `image` and `video`")
        }
        path =
            URL(
                fileURLWithPath: try object.required(kind),
                relativeTo: URL(fileURLWithPath: folder, isDirectory: true)
            ).standardizedFileURL.path
        question = try object.question()
        expected = try object.required("expected")
        choices = try object.choices("choices")
    }
}
