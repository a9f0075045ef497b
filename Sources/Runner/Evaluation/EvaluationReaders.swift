import Foundation
import Jobs

/// Turns one object of a list into questions, one reader a format.
struct EvaluationReader {
    let format: EvaluationFormat
    let videos: VideoFinder

    /// - Returns: nothing for a question that has no answer to compare with (MLVU's written tasks)
    func items(_ object: AnnotationObject) throws(JobFileError) -> [EvaluationItem] {
        switch format {
        case .manifest: [try manifest(object)]
        case .videoMME: try videoMME(object)
        case .mlvu: try mlvu(object).map { [$0] } ?? []
        case .longVideoBench: [try longVideoBench(object)]
        }
    }

    private static let manifestKeys: Set<String> = [
        "custom_id", "video", "question", "choices", "expected", "group", "priority",
    ]

    /// `{"video": "p.mp4", "question": "…", "choices": ["…"], "expected": "…", "group": "…"}`
    private func manifest(_ object: AnnotationObject) throws(JobFileError) -> EvaluationItem {
        if let unknown = object.keys.subtracting(Self.manifestKeys).sorted().first {
            let known = Self.manifestKeys.sorted().joined(separator: ", ")
            throw object.error("unknown key `\(unknown)`; known: \(known)")
        }
        let item = EvaluationItem(
            video: videos.path(of: try object.required("video")),
            question: try object.question(), choices: try object.choices("choices"),
            expected: try object.required("expected"), group: try object.text("group"),
            customID: try object.text("custom_id"))
        if let choices = item.choices,
            ChoiceExtraction.letter(ofExpected: item.expected, choices: choices) == nil
        {
            throw object.error("`expected`: `\(item.expected)` is no option and no option's letter")
        }
        return item
    }

    /// Video-MME: either a row of the published table (one question) or an entry of the official
    /// evaluation file (one video with its `questions`). Options carry their letters: "A. Apples."
    private func videoMME(_ object: AnnotationObject) throws(JobFileError) -> [EvaluationItem] {
        let questions =
            object.members["questions"] == nil ? [object] : try object.objects("questions")
        // Files are named by the YouTube id; the official evaluation file has the running number.
        var names: [String] = []
        for key in ["videoID", "video_id"] {
            if let name = try object.text(key) { names.append(name) }
        }
        if names.isEmpty { throw object.error("`videoID` and `video_id` are missing") }
        let video = videos.path(ofAny: names)
        var items: [EvaluationItem] = []
        for question in questions {
            guard let options = try question.choices("options") else {
                throw question.error("`options` is missing")
            }
            let choices = options.enumerated().map { Self.withoutLetter($1, $0) }
            let answer = try question.required("answer")
            guard let letter = answer.first.map(String.init)?.uppercased(),
                let index = Self.letters.firstIndex(of: letter), choices.indices.contains(index),
                answer.count == 1 || answer.dropFirst().first == "."
            else {
                throw question.error(
                    "`answer`: expected the letter of one of \(choices.count) options, found "
                        + "`\(answer)`")
            }
            items.append(
                EvaluationItem(
                    video: video, question: try question.question(), choices: choices,
                    expected: Self.expected(index, choices), group: try object.text("duration"),
                    customID: try question.text("question_id")))
        }
        return items
    }

    /// MLVU, `json/*.json`: the answer is the text of a candidate. Sub-scene captioning and
    /// summarisation have no candidates.
    private func mlvu(_ object: AnnotationObject) throws(JobFileError) -> EvaluationItem? {
        guard let candidates = try object.choices("candidates") else { return nil }
        // Videos stand in a folder of the annotation file's name.
        let folder = URL(fileURLWithPath: object.file).deletingPathExtension().lastPathComponent
        return EvaluationItem(
            video: videos.path(of: try object.required("video"), below: folder),
            question: try object.question(), choices: candidates,
            expected: try object.required("answer"), group: try object.text("question_type"),
            customID: try object.text("question_id"))
    }

    /// LongVideoBench, `lvb_val.json`: `correct_choice` is an index.
    private func longVideoBench(_ object: AnnotationObject) throws(JobFileError) -> EvaluationItem {
        guard let candidates = try object.choices("candidates") else {
            throw object.error("`candidates` is missing")
        }
        guard let index = try object.integer("correct_choice"), candidates.indices.contains(index)
        else {
            throw object.error(
                "`correct_choice`: expected an index below \(candidates.count) (the test split is "
                    + "published without answers)")
        }
        return EvaluationItem(
            video: videos.path(of: try object.required("video_path")),
            question: try object.question(), choices: candidates,
            expected: Self.expected(index, candidates),
            // Upper end of the duration class in seconds.
            group: try object.text("duration_group").map { "\($0) s" },
            customID: try object.text("id"))
    }

    private static let letters = (0..<26).map { String(UnicodeScalar(UInt8(65 + $0))) }

    /// The option's text, or its letter where another option has the same text.
    private static func expected(_ index: Int, _ choices: [String]) -> String {
        let text = choices[index]
        let meant = ChoiceExtraction.letter(ofExpected: text, choices: choices)
        return meant == letters[index] ? text : letters[index]
    }

    private static func withoutLetter(_ option: String, _ index: Int) -> String {
        let text = option.trimmingCharacters(in: .whitespacesAndNewlines)
        for mark in [".", ")", ":"] where text.hasPrefix(letters[index] + mark) {
            let rest = text.dropFirst(2).trimmingCharacters(in: .whitespaces)
            return rest.isEmpty ? text : rest
        }
        return text
    }
}
