import Foundation
package import Jobs

/// What one `enqueue` call asks for: where the videos are, and what to ask of them.
package struct EnqueuePlan: Sendable {
    /// Directories and single files.
    package var paths: [String] = []
    /// JSONL files.
    package var manifests: [String] = []
    /// Standard input is a list of paths or JSONL, too.
    package var readsStandardInput = false
    package var questions: [JobFile.Question] = []
    package var search = VideoSearch()
    /// A directory that is missing or holds no video is a note instead of an error.
    package var allowsEmpty = false
    /// How manifests are written; `nil`: each line tells.
    package var format: Manifest.Format?
    /// What the lines of an OpenAI batch may ask for.
    package var maxNewTokens: Int?

    package init() {}

    package init(_ file: JobFile) {
        paths = file.input.directories + file.input.videos
        manifests = file.input.manifests
        questions = file.questions
        search = VideoSearch(include: file.input.include, exclude: file.input.exclude)
        allowsEmpty = file.input.allowsEmpty
    }

    /// Everything to enqueue, one question about one video after the other. Checks beforehand what can
    /// be checked, so that a call that asks for something wrong queues nothing.
    ///
    /// - Throws: `EnqueueError` for paths that are not there, nothing to ask and nothing to ask it of;
    ///   `JobFileError` for manifests that cannot be read
    package func entries() throws -> EnqueueEntries {
        for question in questions {
            if let problem = question.problem { throw EnqueueError(problem) }
        }
        var notes: [String] = []
        var places: [EnqueueEntries.Place] = []
        for manifest in manifests {
            places.append(.lines(try InputLines(manifest), self.manifest(manifest)))
        }
        if readsStandardInput {
            places.append(.lines(try InputLines(nil), self.manifest(nil)))
        }
        let here = FileManager.default.currentDirectoryPath
        for path in paths {
            let absolute = AbsolutePath.of(path, in: here)
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: absolute, isDirectory: &isFolder) else {
                let problem = "\(path): no such file or directory"
                guard allowsEmpty else { throw EnqueueError(problem) }
                notes.append("\(path): does not exist, left out")
                continue
            }
            if !isFolder.boolValue {
                places.append(.file(absolute))
            } else if let problem = try emptiness(of: absolute, named: path) {
                guard allowsEmpty else { throw EnqueueError(problem) }
                notes.append(problem + ", left out")
            } else {
                places.append(.folder(absolute))
            }
        }
        let needsQuestion = places.contains { if case .lines = $0 { false } else { true } }
        if needsQuestion, questions.isEmpty {
            throw EnqueueError(
                "there is no question to ask: name one with --question, --questions, or in a job "
                    + "file")
        }
        return EnqueueEntries(
            places: places, questions: questions, search: search, notes: notes,
            needsItems: !allowsEmpty)
    }

    private func manifest(_ path: String?) -> Manifest {
        let here = FileManager.default.currentDirectoryPath
        var folder = here
        if let path {
            let parts = AbsolutePath.of(path, in: here).utf8
            let slash = parts.lastIndex(of: UInt8(ascii: "/")) ?? parts.startIndex
            folder = String(Substring(parts[..<slash]))
        }
        return Manifest(
            name: path ?? "standard input", folder: folder.isEmpty ? "/" : folder,
            questions: questions, format: format, maxNewTokens: maxNewTokens)
    }

    /// Why a directory gives nothing; `nil` when it holds a video.
    private func emptiness(of directory: String, named path: String) throws -> String? {
        var walk = try DirectoryWalk(directory, search)
        while let entry = walk.next() {
            if case .video = entry { return nil }
        }
        let filter =
            search.include.isEmpty && search.exclude.isEmpty
            ? "" : " that the include and exclude patterns let through"
        return "\(path): holds no video\(filter)"
    }
}
