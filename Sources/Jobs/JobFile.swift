package import Foundation

/// A batch written down: which videos, which questions, which analysis settings, which limits.
///
/// Reading is strict: an unknown key, a wrong type or a wrong value is an error that names file and line.
/// Relative paths are taken from the job file's folder.
package struct JobFile: Sendable, Equatable {
    package var path: String
    /// The batch's name.
    package var name: String
    /// The queue that its jobs go to; `nil`: the default one.
    package var queue: String?
    /// -1000 to 1000, higher first.
    package var priority = 0
    /// What stands under `analysis:`, as written. What the keys mean is the runner's business.
    package var analysis: [Setting] = []
    /// What stands under `analysis.methods`, one each, as written: every question is asked once of each.
    package var methods: [Setting] = []
    package var input = Input()
    package var questions: [Question] = []
    package var limits = Limits()

    /// One key and its value; a list of scalars is joined with commas.
    package struct Setting: Sendable, Equatable {
        package var key: String
        package var value: String
        package var line: Int
    }

    package struct Input: Sendable, Equatable {
        /// Searched with everything below them.
        package var directories: [String] = []
        package var include: [String] = []
        package var exclude: [String] = []
        package var videos: [String] = []
        /// JSONL files, one question about one video a line.
        package var manifests: [String] = []
        /// A directory that is missing or holds no video is left out instead of being an error.
        package var allowsEmpty = false
        package init() {}
    }

    package struct Question: Sendable, Equatable {
        package var id: String?
        package var text: String
        package var choices: [String]?
        package var expected: String?

        package init(
            id: String? = nil, text: String, choices: [String]? = nil, expected: String? = nil
        ) {
            self.id = id
            self.text = text
            self.choices = choices
            self.expected = expected
        }
    }

    package struct Limits: Sendable, Equatable {
        package var timeout: Duration?
        package var maxAttempts: Int?
        package var maxCrashes: Int?
        package init() {}
    }

    /// - Parameters:
    ///   - environment: for `{env:NAME}` in paths
    ///   - now: for `{today}` and `{yesterday}`, in the local time zone
    package init(
        contentsOf path: String, environment: [String: String], now: Date = Date()
    ) throws(JobFileError) {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw JobFileError(path, nil, "cannot be read")
        }
        guard let text = String(data: data, encoding: .utf8) else {
            throw JobFileError(path, nil, "is not UTF-8 text")
        }
        try self.init(yaml: text, path: path, environment: environment, now: now)
    }

    package init(
        yaml: String, path: String, environment: [String: String] = [:], now: Date = Date()
    ) throws(JobFileError) {
        let root = try JobFileField.root(yaml, file: path)
        let fields = try root.mapping([
            "version", "name", "queue", "priority", "analysis", "input", "questions", "limits",
        ])
        let version = try root.required("version", in: fields)
        guard try version.integer() == 1 else {
            throw version.error("version \(try version.text()), expected 1")
        }
        self.path = path
        name = try root.required("name", in: fields).text()
        queue = try fields["queue"]?.text()
        priority = try fields["priority"]?.integer(in: -1000...1000) ?? 0
        if let field = fields["analysis"] { (analysis, methods) = try field.settings() }
        let paths = JobFilePaths(file: path, environment: environment, now: now)
        if let field = fields["input"] { input = try Input(field, paths) }
        questions = try fields["questions"]?.list().map(Question.init) ?? []
        if let field = fields["limits"] { limits = try Limits(field) }
        // Settings with paths, too, are relative to this file.
        for index in analysis.indices {
            switch analysis[index].key {
            case "model": analysis[index].value = paths.model(analysis[index].value)
            case "minference_config":
                analysis[index].value = paths.absolute(analysis[index].value)
            default: break
            }
        }
        try checkQuestions(root, fields)
    }

    /// A path that stands in the file, such as one inside a method's options.
    package func absolute(_ path: String) -> String {
        JobFilePaths(file: self.path, environment: [:], now: Date()).absolute(path)
    }

    private func checkQuestions(
        _ root: JobFileField, _ fields: [String: JobFileField]
    ) throws(JobFileError) {
        let needsQuestions = !input.directories.isEmpty || !input.videos.isEmpty
        if needsQuestions, questions.isEmpty {
            throw (fields["questions"] ?? root).error(
                "`questions` is needed: input has directories or videos without questions")
        }
        if !questions.isEmpty, fields["input"] != nil, !needsQuestions {
            throw (fields["questions"] ?? root).error(
                "`questions` would be asked of nothing: input has no dirs and no videos "
                    + "(manifest lines have their own)")
        }
    }
}

extension JobFile.Input {
    fileprivate init(_ field: JobFileField, _ paths: JobFilePaths) throws(JobFileError) {
        let fields = try field.mapping([
            "dirs", "include", "exclude", "videos", "manifest", "allow_empty",
        ])
        func expanded(_ key: String) throws(JobFileError) -> [String] {
            var found: [String] = []
            for item in try fields[key]?.listOrOne() ?? [] { found.append(try paths.expand(item)) }
            return found
        }
        directories = try expanded("dirs")
        videos = try expanded("videos")
        manifests = try expanded("manifest")
        include = try fields["include"]?.texts() ?? []
        exclude = try fields["exclude"]?.texts() ?? []
        allowsEmpty = try fields["allow_empty"]?.boolean() ?? false
    }
}

extension JobFile.Question {
    fileprivate init(_ field: JobFileField) throws(JobFileError) {
        if field.isScalar {
            self.init(text: try field.text())
            return
        }
        let fields = try field.mapping(["id", "text", "choices", "expected"])
        self.init(
            id: try fields["id"]?.text(), text: try field.required("text", in: fields).text(),
            choices: try fields["choices"]?.texts(), expected: try fields["expected"]?.text())
        if let choices, choices.count < 2 || choices.count > 26 {
            throw (fields["choices"] ?? field).error("\(choices.count) choices, expected 2 to 26")
        }
    }
}

extension JobFile.Limits {
    fileprivate init(_ field: JobFileField) throws(JobFileError) {
        let fields = try field.mapping(["timeout", "max_attempts", "max_crashes"])
        timeout = try fields["timeout"]?.duration()
        maxAttempts = try fields["max_attempts"]?.integer(in: 1...1000)
        maxCrashes = try fields["max_crashes"]?.integer(in: 1...1000)
    }
}

/// What is wrong in a job file, and where.
package struct JobFileError: Error, Sendable, Equatable, CustomStringConvertible {
    package var file: String
    /// From 1; `nil` when it is the file as a whole.
    package var line: Int?
    package var message: String

    package init(_ file: String, _ line: Int?, _ message: String) {
        self.file = file
        self.line = line
        self.message = message
    }

    package var description: String {
        line.map { "\(file):\($0): \(message)" } ?? "\(file): \(message)"
    }
}
