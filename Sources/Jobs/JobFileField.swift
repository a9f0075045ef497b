import Yams

/// One value of a job file with the place where it stands; reads strictly.
///
/// Scalars are taken as text, so that YAML 1.1's `yes`, `no`, `on` and `1e3` stay what was written.
struct JobFileField {
    let file: String
    /// The keys that lead to it, for messages: `input.dirs[1]`.
    let name: String
    let node: Node
    /// The key's own line where there is a key: an empty value has no place.
    let line: Int

    static func root(_ yaml: String, file: String) throws(JobFileError) -> JobFileField {
        let node: Node?
        do { node = try Yams.compose(yaml: yaml) } catch { throw JobFileError(error, file: file) }
        guard let node else { throw JobFileError(file, 1, "is empty") }
        return JobFileField(file: file, name: "", node: node, line: node.mark?.line ?? 1)
    }

    func error(_ message: String) -> JobFileError { JobFileError(file, line, message) }

    private func expected(_ what: String) -> JobFileError {
        let found =
            switch node {
            case .scalar(let scalar): scalar.string.isEmpty ? "nothing" : "`\(scalar.string)`"
            case .sequence: "a list"
            case .mapping: "a mapping"
            case .alias: "an alias"
            }
        return error(
            name.isEmpty
                ? "expected \(what), found \(found)"
                : "`\(name)`: expected \(what), found \(found)")
    }

    // MARK: Collections

    /// The fields of a mapping, none of which may have a key that is not in `known`.
    func mapping(_ known: [String]) throws(JobFileError) -> [String: JobFileField] {
        var fields: [String: JobFileField] = [:]
        for (key, field) in try pairs() {
            guard known.contains(key) else {
                let place = name.isEmpty ? "" : " in `\(name)`"
                throw field.error(
                    "unknown key `\(key)`\(place); known: \(known.joined(separator: ", "))")
            }
            fields[key] = field
        }
        return fields
    }

    func required(
        _ key: String, in fields: [String: JobFileField]
    ) throws(JobFileError) -> JobFileField {
        if let field = fields[key] { return field }
        throw error("`\(name.isEmpty ? key : name + "." + key)` is missing")
    }

    func list() throws(JobFileError) -> [JobFileField] {
        guard case .sequence(let items) = node else { throw expected("a list") }
        return items.enumerated().map { index, item in
            JobFileField(
                file: file, name: "\(name)[\(index)]", node: item, line: item.mark?.line ?? line)
        }
    }

    func listOrOne() throws(JobFileError) -> [JobFileField] {
        isScalar ? [self] : try list()
    }

    func texts() throws(JobFileError) -> [String] {
        var texts: [String] = []
        for item in try list() { texts.append(try item.text()) }
        return texts
    }

    /// Keys with their values, lists joined with commas; and the items of the list `methods`.
    func settings() throws(JobFileError) -> ([JobFile.Setting], methods: [JobFile.Setting]) {
        var settings: [JobFile.Setting] = []
        var methods: [JobFile.Setting] = []
        for (key, field) in try pairs() {
            if key == "methods" {
                for item in try field.list() {
                    methods.append(.init(key: key, value: try item.text(), line: item.line))
                }
                guard !methods.isEmpty else { throw field.error("`\(field.name)` is empty") }
                continue
            }
            let value =
                field.isScalar ? try field.text() : try field.texts().joined(separator: ",")
            settings.append(JobFile.Setting(key: key, value: value, line: field.line))
        }
        if !methods.isEmpty, let method = settings.first(where: { $0.key == "method" }) {
            throw JobFileError(file, method.line, "`method` and `methods` exclude each other")
        }
        return (settings, methods)
    }

    private func pairs() throws(JobFileError) -> [(String, JobFileField)] {
        guard case .mapping(let mapping) = node else { throw expected("a mapping") }
        var pairs: [(String, JobFileField)] = []
        for (key, value) in mapping {
            let line = key.mark?.line ?? line
            guard case .scalar(let scalar) = key else {
                throw JobFileError(file, line, "a key that is no text")
            }
            let path = name.isEmpty ? scalar.string : "\(name).\(scalar.string)"
            pairs.append(
                (scalar.string, JobFileField(file: file, name: path, node: value, line: line)))
        }
        return pairs
    }

    // MARK: Scalars

    var isScalar: Bool {
        if case .scalar = node { true } else { false }
    }

    func text() throws(JobFileError) -> String {
        guard case .scalar(let scalar) = node, !scalar.string.isEmpty else {
            throw expected("text")
        }
        return scalar.string
    }

    func integer(in range: ClosedRange<Int> = .min ... .max) throws(JobFileError) -> Int {
        guard let number = Int(try text()) else { throw expected("a whole number") }
        guard range.contains(number) else {
            throw expected("\(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func boolean() throws(JobFileError) -> Bool {
        switch try text() {
        case "true", "yes": true
        case "false", "no": false
        default: throw expected("true or false")
        }
    }

    func duration() throws(JobFileError) -> Duration {
        guard let duration = DurationText.parse(try text()) else {
            throw expected("a time with its unit, such as 90s, 20m or 2h")
        }
        return duration
    }
}

extension JobFileError {
    /// What the YAML parser says, with its line.
    fileprivate init(_ error: any Error, file: String) {
        switch error {
        case let error as YamlError:
            switch error {
            case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
                .composer(_, let problem, let mark, _):
                self.init(file, mark.line, problem)
            case .duplicatedKeysInMapping(let duplicates, let context):
                self.init(
                    file, context.mark.line,
                    "key given twice: \(duplicates.sorted().joined(separator: ", "))")
            default: self.init(file, nil, "\(error)")
            }
        default: self.init(file, nil, "\(error)")
        }
    }
}
