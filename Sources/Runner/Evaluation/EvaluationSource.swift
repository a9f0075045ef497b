import Crypto
import Foundation
package import Jobs

/// A list of questions as read from its file or folder.
package struct EvaluationSource: Sendable {
    package var items: [EvaluationItem]
    package var format: EvaluationFormat
    /// Of the file's bytes; of a folder, of its files' names and bytes.
    package var sha256: String
    /// What people should know about the list.
    package var notes: [String] = []

    /// - Parameters:
    ///   - path: a file, or a folder of `*.json` and `*.jsonl` files (MLVU's `json/`)
    ///   - format: `nil` tells it by the keys
    ///   - videos: folder of the videos; `nil` takes paths relative to the list
    /// - Throws: `JobFileError` with file and line
    package init(
        contentsOf path: String, format: EvaluationFormat?, videos: String?
    ) throws(JobFileError) {
        let files = try Self.files(path)
        var hash = SHA256()
        var objects: [AnnotationObject] = []
        for file in files {
            guard let data = FileManager.default.contents(atPath: file) else {
                throw JobFileError(file, nil, "cannot be read")
            }
            if files.count > 1 {
                let name = URL(fileURLWithPath: file).lastPathComponent
                hash.update(data: Data("\(name):\(data.count):".utf8))
            }
            hash.update(data: data)
            objects += try AnnotationObject.all(data, file: file)
        }
        sha256 = hash.finalize().map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
        guard let first = objects.first else { throw JobFileError(path, nil, "has no questions") }
        guard let format = format ?? EvaluationFormat(keys: first.keys) else {
            throw first.error(
                "is of no known format: expected `video`, `question` and `expected`, or a benchmark's "
                    + "keys; found \(first.keys.sorted().joined(separator: ", "))")
        }
        self.format = format
        let folder = URL(fileURLWithPath: files[0]).deletingLastPathComponent().path
        let reader = EvaluationReader(
            format: format, videos: VideoFinder(folder: folder, videos: videos))
        items = []
        var written = 0
        for object in objects {
            let found = try reader.items(object)
            if found.isEmpty { written += 1 }
            items += found
        }
        guard !items.isEmpty else { throw JobFileError(path, nil, "has no questions with choices") }
        if written > 0 {
            notes.append("\(written) questions have no options to choose from and are left out")
        }
        noteOddItems()
    }

    private mutating func noteOddItems() {
        let odd = items.filter { item in
            item.choices.map {
                ChoiceExtraction.letter(ofExpected: item.expected, choices: $0) == nil
            }
                ?? false
        }
        if let first = odd.first {
            notes.append(
                "\(odd.count) questions expect an answer that is none of their options, such as "
                    + "`\(first.expected)` to `\(first.question)`")
        }
    }

    private static func files(_ path: String) throws(JobFileError) -> [String] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw JobFileError(path, nil, "no such file")
        }
        guard isFolder.boolValue else { return [path] }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        let files = names.filter { $0.hasSuffix(".json") || $0.hasSuffix(".jsonl") }.sorted()
        guard !files.isEmpty else { throw JobFileError(path, nil, "holds no .json or .jsonl file") }
        return files.map { "\(path)/\($0)" }
    }
}
