import Foundation
import Jobs

/// One JSON object of a list of questions; errors name the file and the place in it.
struct AnnotationObject {
    let file: String
    /// 1-based, for JSON lines.
    let line: Int?
    /// "item 3", for lists.
    let place: String?
    let members: [String: Any]

    var keys: Set<String> { Set(members.keys) }

    func error(_ message: String) -> JobFileError {
        JobFileError(file, line, place.map { "\($0): \(message)" } ?? message)
    }

    /// A text; a number counts as its digits.
    func text(_ key: String) throws(JobFileError) -> String? {
        guard let value = members[key], !(value is NSNull) else { return nil }
        guard !Self.isBoolean(value) else {
            throw error("`\(key)`: expected text, found true or false without quotes")
        }
        guard let text = Self.scalar(value), !text.isEmpty else {
            throw error("`\(key)`: expected text")
        }
        return text
    }

    func required(_ key: String) throws(JobFileError) -> String {
        guard let text = try text(key) else { throw error("`\(key)` is missing") }
        return text
    }

    /// `question`, which must be there and fit into the store.
    func question() throws(JobFileError) -> String {
        let text = try required("question")
        let count = text.unicodeScalars.count
        guard count <= Self.longestQuestion else {
            throw error(
                "`question`: \(count) characters, expected at most \(Self.longestQuestion)")
        }
        return text
    }

    private static let longestQuestion = 32_768

    func integer(_ key: String) throws(JobFileError) -> Int? {
        guard let text = try text(key) else { return nil }
        guard let number = Int(text) else {
            throw error("`\(key)`: expected a whole number, found `\(text)`")
        }
        return number
    }

    func texts(_ key: String) throws(JobFileError) -> [String]? {
        guard let value = members[key], !(value is NSNull) else { return nil }
        if let list = value as? [Any], list.contains(where: Self.isBoolean) {
            throw error("`\(key)`: expected a list of texts, found true or false without quotes")
        }
        let texts = (value as? [Any])?.compactMap(Self.scalar)
        guard let texts, texts.count == (value as? [Any])?.count else {
            throw error("`\(key)`: expected a list of texts")
        }
        return texts
    }

    /// Options of a multiple choice question.
    func choices(_ key: String) throws(JobFileError) -> [String]? {
        guard let texts = try texts(key) else { return nil }
        guard (2...26).contains(texts.count) else {
            throw error("`\(key)`: expected a list of 2 to 26 texts")
        }
        return texts
    }

    func objects(_ key: String) throws(JobFileError) -> [AnnotationObject] {
        guard let list = members[key] as? [[String: Any]] else {
            throw error("`\(key)`: expected a list of objects")
        }
        return list.enumerated().map { index, members in
            AnnotationObject(
                file: file, line: line,
                place: (place.map { $0 + ", " } ?? "") + "question \(index + 1)", members: members)
        }
    }

    private static func scalar(_ value: Any) -> String? {
        if let text = value as? String { return text }
        return (value as? NSNumber).map { "\($0)" }
    }

    /// JSON's true and false come as numbers of C's smallest type; as text they would be 1 and 0.
    private static func isBoolean(_ value: Any) -> Bool {
        guard let number = value as? NSNumber else { return false }
        return String(cString: number.objCType) == "c"
    }

    // MARK: Reading

    /// All objects of a file: a JSON list, or an object a line.
    static func all(_ data: Data, file: String) throws(JobFileError) -> [AnnotationObject] {
        guard let text = String(data: data, encoding: .utf8) else {
            throw JobFileError(file, nil, "is not UTF-8 text")
        }
        let first = text.unicodeScalars.first { !$0.properties.isWhitespace && $0 != "\u{FEFF}" }
        guard first == "[" else { return try lines(text, file) }
        guard let list = try parse(data, file, nil) as? [[String: Any]] else {
            throw JobFileError(file, nil, "expected a list of objects")
        }
        return list.enumerated().map { index, members in
            AnnotationObject(file: file, line: nil, place: "item \(index + 1)", members: members)
        }
    }

    private static func lines(
        _ text: String, _ file: String
    ) throws(JobFileError) -> [AnnotationObject] {
        var objects: [AnnotationObject] = []
        // By Unicode scalar: a line end of CR LF is a single Character.
        let lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
        for (index, scalars) in lines.enumerated() {
            let line = String(scalars).trimmingCharacters(in: .whitespacesAndNewlines)
            if line.isEmpty { continue }
            guard let members = try parse(Data(line.utf8), file, index + 1) as? [String: Any]
            else { throw JobFileError(file, index + 1, "is not an object") }
            objects.append(
                AnnotationObject(file: file, line: index + 1, place: nil, members: members))
        }
        return objects
    }

    private static func parse(
        _ data: Data, _ file: String, _ line: Int?
    ) throws(JobFileError) -> Any {
        do {
            return try JSONSerialization.jsonObject(with: data)
        } catch {
            // The parser's own words say where in the text.
            let words = (error as NSError).userInfo[NSDebugDescriptionErrorKey] as? String
            throw JobFileError(file, line, "is not JSON: \(words ?? "\(error)")")
        }
    }
}
