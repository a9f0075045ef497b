import Foundation
import Jobs
import Testing

@testable import Runner

@Suite struct EvaluationSourceTests {
    /// A folder with files in it.
    private struct Folder {
        let url = FileManager.default.temporaryDirectory.appending(path: "lists-\(UUID())")

        @discardableResult
        func write(_ text: String, _ name: String) throws -> String {
            let file = url.appending(path: name)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
            return file.standardizedFileURL.path
        }

        func remove() { try? FileManager.default.removeItem(at: url) }
    }

    @Test func `the product's lines are read with paths relative to the file`() throws {
        let folder = Folder()
        defer { folder.remove() }
        let file = try folder.write(
            """
            {"video": "a/v.mp4", "question": "How many?", "expected": 3, "group": "count"}\r

            {"video": "/b.mp4", "question": "Which?", "choices": ["red", "blue"], "expected": "B", "custom_id": "q2"}
            """, "list.jsonl")
        let source = try EvaluationSource(contentsOf: file, format: nil, videos: nil)
        #expect(source.format == .manifest)
        #expect(
            source.items == [
                EvaluationItem(
                    video: folder.url.standardizedFileURL.path + "/a/v.mp4", question: "How many?",
                    expected: "3", group: "count"),
                EvaluationItem(
                    video: "/b.mp4", question: "Which?", choices: ["red", "blue"], expected: "B",
                    customID: "q2"),
            ])
        // sha256sum of the file.
        #expect(source.sha256.count == 64)
        let other = try folder.write("{\"video\":\"v\",\"question\":\"q\",\"expected\":\"e\"}", "o")
        #expect(
            try EvaluationSource(contentsOf: other, format: nil, videos: nil).sha256
                == ContentIdentity.sha256("{\"video\":\"v\",\"question\":\"q\",\"expected\":\"e\"}")
        )
    }

    @Test(arguments: [
        ("{\"video\": \"v\", \"question\": \"q\"}", "list:1: `expected` is missing"),
        (
            "{\"video\": \"v\", \"question\": \"q\", \"expected\": \"e\"}\n{\"video\": \"v\"}",
            "list:2: `question` is missing"
        ),
        (
            "{\"video\": \"v\", \"question\": \"q\", \"expected\": \"C\", \"choices\": [\"x\", \"y\"]}",
            "list:1: `expected`: `C` is no option and no option's letter"
        ),
        (
            "{\"video\": \"v\", \"question\": \"q\", \"expected\": \"e\", \"answer\": \"e\"}",
            "list:1: unknown key `answer`"
        ),
        (
            "{\"video\": \"v\", \"question\": \"q\", \"expected\": true}",
            "list:1: `expected`: expected text, found true or false"
        ),
        (
            "{\"video\": \"v\", \"question\": \"q\", \"expected\": \"1\", \"choices\": [1, false]}",
            "list:1: `choices`: expected a list of texts, found true or false"
        ),
        (
            "{\"video\": \"v\", \"question\": \"\(String(repeating: "é", count: 32_769))\", \"expected\": \"e\"}",
            "list:1: `question`: 32769 characters, expected at most 32768"
        ),
        ("{\"video\": ", "list:1: is not JSON"), ("", "list: has no questions"),
        ("{\"clip\": \"v\"}", "list:1: is of no known format"),
        ("[1, 2]", "list: expected a list of objects"),
        (
            "[{\"video_path\": \"v\", \"question\": \"q\", \"candidates\": [\"x\", \"y\"], \"correct_choice\": 2}]",
            "list: item 1: `correct_choice`: expected an index below 2"
        ),
        (
            "[{\"videoID\": \"v\", \"question\": \"q\", \"options\": [\"A. x\", \"B. y\"], \"answer\": \"C\"}]",
            "list: item 1: `answer`: expected the letter of one of 2 options, found `C`"
        ),
    ])
    func `what is wrong is told with file and place`(text: String, message: String) throws {
        let folder = Folder()
        defer { folder.remove() }
        let file = try folder.write(text, "list")
        let error = #expect(throws: JobFileError.self) {
            try EvaluationSource(contentsOf: file, format: nil, videos: nil)
        }
        #expect(try #require(error).description.contains(message), "\(error?.description ?? "")")
    }

    @Test func `Video-MME is read as a table's rows and as the official evaluation file`() throws {
        let folder = Folder()
        defer { folder.remove() }
        try folder.write("x", "clips/deep/fFjv93ACGo8.mp4")
        let row = """
            "video_id": "001", "duration": "short", "domain": "Knowledge", \
            "sub_category": "Humanity & History", \
            "url": "https://www.youtube.com/watch?v=fFjv93ACGo8", "videoID": "fFjv93ACGo8", \
            "question_id": "001-1", "task_type": "Counting Problem", "question": "How many?", \
            "options": ["A. Apples.", "B. Candles.", "C. Berries.", "D. A. Adams."], "answer": "C"
            """
        let expected = EvaluationItem(
            video: folder.url.standardizedFileURL.path + "/clips/deep/fFjv93ACGo8.mp4",
            question: "How many?", choices: ["Apples.", "Candles.", "Berries.", "A. Adams."],
            expected: "Berries.", group: "short", customID: "001-1")
        let clips = folder.url.path + "/clips"
        for (name, text) in [("rows.jsonl", "{\(row)}\n"), ("rows.json", "[{\(row)}]")] {
            let source = try EvaluationSource(
                contentsOf: try folder.write(text, name), format: nil, videos: clips)
            #expect(source.format == .videoMME)
            #expect(source.items == [expected])
        }

        let official = """
            [{"video_id": "001", "duration": "short", "domain": "Knowledge",
              "sub_category": "Humanity & History", "questions": [
                {"question_id": "001-1", "task_type": "Counting Problem", "question": "How many?",
                 "options": ["A. Apples.", "B. Candles.", "C. Berries.", "D. A. Adams."],
                 "answer": "C", "response": ""},
                {"question_id": "001-2", "task_type": "OCR", "question": "Same?",
                 "options": ["A. Yes.", "B. Yes.", "C. No.", "D. No."], "answer": "D"}]}]
            """
        let source = try EvaluationSource(
            contentsOf: try folder.write(official, "official.json"), format: nil, videos: nil)
        #expect(source.format == .videoMME)
        // Two options of the same text: only the letter tells them apart.
        #expect(source.items.map(\.expected) == ["Berries.", "D"])
        #expect(
            source.items.allSatisfy {
                $0.video == folder.url.standardizedFileURL.path + "/001" && $0.group == "short"
            })
    }

    @Test func `MLVU's folder is read, each file with its folder of videos`() throws {
        let folder = Folder()
        defer { folder.remove() }
        for task in ["1_plotQA", "4_count"] { try folder.write("x", "video/\(task)/m_1.mp4") }
        try folder.write(
            """
            [{"video": "m_1.mp4", "duration": 480.0, "question": "What color?",
              "candidates": ["Yellow", "Red", "Blue", "Green"], "answer": "Red",
              "question_type": "plotQA"}]
            """, "json/1_plotQA.json")
        try folder.write(
            """
            [{"video": "m_1.mp4", "duration": 480.0, "question": "How often?",
              "candidates": ["1", "2", "3", "4"], "answer": "3", "question_type": "count"}]
            """, "json/4_count.json")
        try folder.write(
            """
            [{"video": "m_1.mp4", "duration": 480.0, "question": "Summarise.", "answer": "It is",
              "question_type": "summary"}]
            """, "json/9_summary.json")
        let source = try EvaluationSource(
            contentsOf: folder.url.path + "/json", format: nil, videos: folder.url.path + "/video")
        let root = folder.url.standardizedFileURL.path
        #expect(source.format == .mlvu)
        #expect(source.items.map(\.group) == ["plotQA", "count"])
        #expect(source.items.map(\.expected) == ["Red", "3"])
        #expect(
            source.items.map(\.video)
                == ["\(root)/video/1_plotQA/m_1.mp4", "\(root)/video/4_count/m_1.mp4"])
        #expect(source.notes == ["1 questions have no options to choose from and are left out"])
    }

    @Test func `LongVideoBench is read with its index of the right choice`() throws {
        let folder = Folder()
        defer { folder.remove() }
        let file = try folder.write(
            """
            [{"video_id": "86CxyhFV9MI", "question": "In the video, which subtitles appear?",
              "question_wo_referring_query": "Which?", "candidates": ["one", "two", "three"],
              "correct_choice": 1, "topic_category": "NP-News-Programs",
              "question_category": "TOS", "level": "L2-Relation", "id": "86CxyhFV9MI_0",
              "video_path": "86CxyhFV9MI.mp4", "subtitle_path": "86CxyhFV9MI_en.json",
              "duration_group": 600, "starting_timestamp_for_subtitles": 0, "duration": 190.16}]
            """, "lvb_val.json")
        let source = try EvaluationSource(contentsOf: file, format: nil, videos: "/data/videos")
        #expect(source.format == .longVideoBench)
        #expect(
            source.items == [
                EvaluationItem(
                    video: "/data/videos/86CxyhFV9MI.mp4",
                    question: "In the video, which subtitles appear?",
                    choices: ["one", "two", "three"], expected: "two", group: "600 s",
                    customID: "86CxyhFV9MI_0")
            ])
    }
}
