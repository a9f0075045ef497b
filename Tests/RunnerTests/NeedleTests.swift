import Foundation
import Jobs
import Plotting
import Synchronization
import Testing
import VideoFrames

@testable import Runner

@Suite struct NeedleTests {
    /// Frames of `width` x 1 pixels; every byte of a frame has its value.
    private static func frames(_ values: [UInt8], width: Int = 2) throws -> SampledFrames {
        let zeros = values.map { _ in 0 }
        let json = """
            {"count":\(values.count),"width":\(width),"height":1,"frameIndex":\(zeros),
            "requestedIndex":\(zeros),"framePTSMilliseconds":\(zeros),"warnings":[],
            "sampling":"exact","hardware":"none",
            "decodeMilliseconds":0,"childPeakBytes":0,"packetsRead":0,"framesDecoded":0,
            "framesNeeded":0,"facts":{"container":"c","codec":"c","width":2,"height":1,
            "rotation":0,"durationMilliseconds":1,"frameCount":1,"framesPerSecond":1}}
            """
        var frames = try JSONDecoder().decode(SampledFrames.self, from: Data(json.utf8))
        frames.pixels = values.flatMap { [UInt8](repeating: $0, count: width * 3) }
        return frames
    }

    private static func answer(_ isCorrect: Bool) -> Answer {
        Answer(
            answer: isCorrect ? "yes" : "no", correct: isCorrect, finishReason: .stop,
            framesUsed: 1, visualTokens: 1, promptTokens: 1, outputTokens: 1, attnFLOPsDense: 1,
            attnFLOPsUsed: 1, llmFLOPsDense: 1, llmFLOPsUsed: 1, kvCacheBytesDense: 1,
            kvCacheBytesUsed: 1, peakHostBytes: 1, totalMS: 1, warnings: [])
    }

    @Test(arguments: [
        (0.0, 16, 0), (100, 16, 15), (50, 16, 8), (25, 16, 4), (75, 128, 95), (50, 2, 1),
        (100, 1, 0), (12.5, 9, 1), (33, 64, 21),
    ])
    func `A depth is a share of the way from the first frame to the last`(
        _ depth: Double, _ length: Int, _ index: Int
    ) {
        #expect(NeedleRun.index(depth: depth, length: length) == index)
    }

    @Test func `Each answer sees one needle in its place and the haystack everywhere else`()
        async throws
    {
        let needles = [
            Needle(path: "/a", question: "a?", expected: "x"),
            Needle(path: "/b", question: "b?", expected: "y"),
        ]
        let sampled = Mutex<[String]>([])
        let seen = Mutex<[String]>([])
        let run = NeedleRun(lengths: [2, 5], depths: [0, 50, 100], needles: needles)
        let places = Mutex<[NeedleRun.Place]>([])
        let cells = try await run.run(
            haystack: "/hay",
            sampling: { path, count in
                sampled.withLock { $0.append("\(path) \(count)") }
                return try Self.frames(
                    path == "/hay"
                        ? (0..<count).map(UInt8.init) : [path == "/a" ? 100 : 200])
            },
            answering: { needle, frames in
                let values = (0..<frames.count).map { frame in
                    Set(frames.pixels[(frame * 6)..<(frame * 6 + 6)])
                }
                seen.withLock { seen in
                    let text = values.map { $0.map { "\($0)" }.sorted().joined(separator: "+") }
                    seen.append(needle.question + " " + text.joined(separator: " "))
                }
                // Finds needles in the first half only, and those of /b.
                return Self.answer(
                    values.firstIndex { $0 == [200] }.map { $0 * 2 < frames.count } ?? false)
            },
            began: { place in places.withLock { $0.append(place) } })
        #expect(sampled.withLock { $0 } == ["/a 1", "/b 1", "/hay 2", "/hay 5"])
        #expect(
            seen.withLock { $0 } == [
                "a? 100 1", "b? 200 1", "a? 0 100", "b? 0 200", "a? 0 100", "b? 0 200",
                "a? 100 1 2 3 4", "b? 200 1 2 3 4", "a? 0 1 100 3 4", "b? 0 1 200 3 4",
                "a? 0 1 2 3 100", "b? 0 1 2 3 200",
            ])
        #expect(cells.map(\.frameIndex) == [0, 1, 1, 0, 2, 4])
        #expect(cells.map(\.correct) == [1, 0, 0, 1, 1, 0])
        #expect(cells.map(\.accuracy) == [0.5, 0, 0, 0.5, 0.5, 0])
        #expect(cells.accuracy == 3.0 / 12)
        #expect(cells.cell(length: 5, depth: 50)?.frameIndex == 2)
        #expect(places.withLock { $0.count } == 12)
        #expect(
            places.withLock { $0.last } == NeedleRun.Place(length: 5, depth: 100, needle: 1))
    }

    @Test func `A needle of another size is an error that names its file`() async {
        let run = NeedleRun(
            lengths: [2], depths: [0],
            needles: [Needle(path: "/wide.png", question: "?", expected: "x")])
        let error = await #expect(throws: VideoError.self) {
            _ = try await run.run(
                haystack: "/hay",
                sampling: { path, _ in
                    try path == "/hay" ? Self.frames([1, 2]) : Self.frames([9], width: 3)
                }, answering: { _, _ in Self.answer(true) })
        }
        #expect(error?.description == "/wide.png: expected a frame of 2 x 1, found 3 x 1")
    }

    /// A file of needles in a folder of its own.
    private static func read(_ text: String) throws -> (folder: String, needles: [Needle]) {
        let folder = FileManager.default.temporaryDirectory.appending(path: "needle-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "n.jsonl")
        try Data(text.utf8).write(to: file)
        return (folder.standardizedFileURL.path, try Needle.read(contentsOf: file.path))
    }

    @Test func `Needles are read with paths beside their file`() throws {
        let (folder, needles) = try Self.read(
            """
            {"image": "a.png", "question": "What?", "expected": "KOM"}\r

            {"video": "/clips/../b.mp4", "question": "Which?", "choices": ["1", "2"], "expected": "B"}
            """)
        #expect(
            needles == [
                Needle(path: folder + "/a.png", question: "What?", expected: "KOM"),
                Needle(path: "/b.mp4", question: "Which?", choices: ["1", "2"], expected: "B"),
            ])
    }

    @Test(arguments: [
        (#"{"question": "q", "expected": "x"}"#, "expected one of `image` and `video`"),
        (
            #"{"image": "a", "video": "b", "question": "q", "expected": "x"}"#,
            "expected one of `image` and `video`"
        ),
        (#"{"image": "a", "question": "q"}"#, "`expected` is missing"),
        (#"{"image": "a", "question": "", "expected": "x"}"#, "`question`: expected text"),
        (#"{"image": [], "question": "q", "expected": "x"}"#, "`image`: expected text"),
        (#"{"image": "a", "question": "q", "expected": "x", "answer": 1}"#, "key `answer`"),
        (
            #"{"image": "a", "question": "q", "expected": "x", "choices": ["1"]}"#,
            "a list of 2 to 26 texts"
        ),
        ("a.png", "is not JSON"), ("[3]", "is not an object"),
    ])
    func `A line that is no needle is an error with its number`(
        _ line: String, _ message: String
    ) {
        let good = #"{"image": "a.png", "question": "q", "expected": "x"}"#
        let error = #expect(throws: JobFileError.self) { try Self.read(good + "\n" + line) }
        #expect(error?.line == 2)
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    }

    @Test func `A file without needles and a missing file are errors`() {
        #expect(throws: JobFileError.self) { try Self.read("\n\n") }
        #expect(throws: JobFileError.self) { try Needle.read(contentsOf: "/none/n.jsonl") }
    }

    @Test func `The heat map has lengths to the right, depths downwards, accuracy as colour`() {
        // Right answers of four at [length][depth].
        let right = [10: [0.0: 4, 100.0: 3], 20: [0.0: 0, 100.0: 2]]
        let needle = Needle(path: "/a", question: "?", expected: "x")
        let cells = right.flatMap { length, depths in
            depths.map { depth, count in
                NeedleCell(
                    length: length, depth: depth, frameIndex: 0,
                    results: (0..<4).map {
                        NeedleResult(needle: needle, answer: Self.answer($0 < count))
                    })
            }
        }
        let canvas = NeedleHeatMap.draw(
            cells, lengths: [10, 20], depths: [0, 100], model: "m", optionsJSON: "{}")
        /// Middle of the largest block of a cell's colour, by its rows and columns of at least forty pixels.
        func place(_ share: Double) -> (x: Int, y: Int)? {
            let color = ColorMap.color(share)
            let rows = (0..<canvas.height).filter { y in
                (0..<canvas.width).filter { canvas.pixel($0, y) == color }.count >= 40
            }
            guard let y = rows.first else { return nil }
            return (0..<canvas.width).first { canvas.pixel($0, y) == color }.map { ($0, y) }
        }
        let places = [1.0, 0, 0.75, 0.5].map(place)
        guard let one = places[0], let none = places[1], let most = places[2], let half = places[3]
        else {
            Issue.record("a cell is not drawn: \(places)")
            return
        }
        #expect(one.y == none.y && most.y == half.y && one.y < most.y)
        #expect(one.x == most.x && none.x == half.x && one.x < none.x)
    }
}
