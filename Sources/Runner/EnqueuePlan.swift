package import Foundation
package import Jobs

/// What one `enqueue` call asks for: where the videos are, and what to ask of them.
package struct EnqueuePlan: Sendable {
    /// Directories and single files.
    package var paths: [String] = []
    /// JSONL files.
    package var manifests: [String] = []
    /// Text of standard input, when it is a list of paths or JSONL.
    package var standardInput: Data?
    package var questions: [JobFile.Question] = []
    package var search = VideoSearch()
    /// A directory that is missing or holds no video is a note instead of an error.
    package var allowsEmpty = false

    package init() {}

    package init(_ file: JobFile) {
        paths = file.input.directories + file.input.videos
        manifests = file.input.manifests
        questions = file.questions
        search = VideoSearch(include: file.input.include, exclude: file.input.exclude)
        allowsEmpty = file.input.allowsEmpty
    }

    /// One question about one video each, and what a person should know about the search.
    package struct Found: Sendable {
        package var items: [EnqueueItem] = []
        package var notes: [String] = []
    }

    /// Looks for the videos. No file is opened but manifests.
    ///
    /// - Throws: `EnqueueError` for paths that are not there, nothing to ask and nothing to ask it of;
    ///   `JobFileError` for manifests
    package func find() throws -> Found {
        var found = Found()
        for manifest in manifests {
            found.items += try Manifest.items(contentsOf: manifest, questions: questions)
        }
        if let standardInput {
            let here = FileManager.default.currentDirectoryPath
            found.items += try Manifest(
                name: "standard input", folder: here, questions: questions
            ).items(in: standardInput)
        }
        var seen: Set<String> = []
        for path in paths {
            for video in try videos(at: path, &found.notes) where seen.insert(video).inserted {
                guard !questions.isEmpty else {
                    throw EnqueueError(
                        "there is no question to ask: name one with --question, --questions, or in a "
                            + "job file")
                }
                found.items += questions.map { EnqueueItem(path: video, $0) }
            }
        }
        if found.items.isEmpty, !allowsEmpty {
            throw EnqueueError("nothing to enqueue: no video was named or found")
        }
        return found
    }

    private func videos(at path: String, _ notes: inout [String]) throws -> [String] {
        let absolute = URL(fileURLWithPath: path).standardizedFileURL.path
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: absolute, isDirectory: &isDirectory) else {
            if allowsEmpty {
                notes.append("\(path): does not exist, left out")
                return []
            }
            throw EnqueueError("\(path): no such file or directory")
        }
        guard isDirectory.boolValue else { return [absolute] }
        let videos = try search.videos(below: absolute)
        if videos.isEmpty {
            let filter =
                search.include.isEmpty && search.exclude.isEmpty
                ? "" : " that the include and exclude patterns let through"
            let problem = "\(path): holds no video\(filter)"
            guard allowsEmpty else { throw EnqueueError(problem) }
            notes.append(problem + ", left out")
        }
        return videos
    }
}
