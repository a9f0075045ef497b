import ArgumentParser
import Foundation
import Jobs
import Runner
import VideoFrames

struct NiahCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "niah",
        abstract: "Look for needles in a visual haystack: accuracy by length and depth.",
        discussion: """
            At each length, one frame of the haystack is replaced by a needle, at each depth, and the \
            needle's question is asked. The needles are JSON lines, with paths relative to their file: \
            {"image": "needle.png", "question": "...", "choices": ["..."], "expected": "..."}
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions
    @Option(help: ArgumentHelp("Prefill method (default: zipvl).", valueName: "name"))
    var method: String?

    @OptionGroup var parameters: AnalysisParameterFlags
    @OptionGroup var sampler: SamplerOptions
    @OptionGroup var device: DeviceOptions

    @Option(help: ArgumentHelp("The long video (default: the bundled one).", valueName: "video"))
    var haystack: String?

    @Option(
        help: ArgumentHelp(
            "Pictures and questions (default: the bundled ones).", valueName: "file.jsonl"))
    var needles: String?

    @Option(help: ArgumentHelp("Frames of the haystack.", valueName: "n,n…"))
    var lengths = NumberList([16, 32, 64, 128])

    @Option(
        help: ArgumentHelp(
            "Where the needle stands, in percent: 0 is the first frame.", valueName: "p,p…"))
    var depths = NumberList([0.0, 25, 50, 75, 100])

    @Option(help: ArgumentHelp("The heat map.", valueName: "file.png"))
    var out = "niah.png"

    func validate() throws {
        do { _ = try request } catch { throw ValidationError("\(error)") }
        try sampler.check(noCache: parameters.run.noCache)
        if let length = lengths.values.first(where: { !(1...65536).contains($0) }) {
            throw ValidationError("--lengths \(length): expected 1 to 65536 frames")
        }
        if let depth = depths.values.first(where: { !(0...100).contains($0) }) {
            throw ValidationError("--depths \(depth): expected 0 to 100 percent")
        }
        try PictureFile.check(out, flag: "--out")
    }

    private var request: AnalysisRequest {
        get throws {
            var request = AnalysisRequest()
            if let method { try request.set(.method, to: method) }
            for (key, text) in parameters.settings { try request.set(key, to: text) }
            return request
        }
    }

    func run() async throws {
        let options = try AnalysisOptions(request, on: device.kind)
        let model = try ModelReference(parameters.model)
        let run = NeedleRun(
            lengths: Set(lengths.values).sorted(), depths: Set(depths.values).sorted(),
            needles: try Needle.read(
                contentsOf: try needles ?? Self.find("jobs/niah/needles.jsonl", or: "--needles")))
        let video = try haystack ?? Self.find("jobs/niah/haystack.mp4", or: "--haystack")
        _ = try device.loadTorch()
        let child = SamplerLaunch.start()
        let engine = LongVAEngine(
            sampler: child, cache: sampler.cache(isOff: parameters.run.noCache),
            decoding: sampler.decoding.choice, model: device.engine())
        let showsProgress = Terminal.showsErrors && !global.quiet
        let cells: [NeedleCell]
        do {
            defer { if showsProgress { Terminal.write("\r\u{1B}[K") } }
            cells = try await run.run(
                haystack: URL(fileURLWithPath: video).standardizedFileURL.path,
                sampling: { path, frames in
                    try await engine.sample(path, frames: frames, options: options, model: model)
                },
                answering: { needle, frames in
                    var options = options
                    options.frames = frames.count
                    return try await engine.answer(
                        .init(
                            text: needle.question, choices: needle.choices,
                            expected: needle.expected),
                        frames: frames, options: options, model: model, progress: { _, _ in })
                },
                began: { place in
                    guard showsProgress else { return }
                    Terminal.write(
                        "\r\u{1B}[K\(place.length) frames, depth "
                            + "\(NeedleHeatMap.percentText(place.depth))%, needle \(place.needle + 1) of "
                            + "\(run.needles.count)")
                },
                completed: { cell in
                    if global.json { try JSONLine.print(CellLine(cell, options, model)) }
                })
        }
        await child.shutDown()
        try NeedleHeatMap.draw(
            cells, lengths: run.lengths, depths: run.depths, model: Self.name(model),
            optionsJSON: options.json
        ).write(to: out)
        if global.json { return }
        print(Self.table(cells, run).text(width: Terminal.width(of: 1)))
        let inexact =
            options.sampling == .keyframe ? ", sampling \(options.sampling.title)" : ""
        global.say(
            "\(Self.name(model)), \(MethodTitle(optionsJSON: options.json).method)\(inexact): "
                + "\(run.needles.count) needles in each cell; drawn to \(out)")
    }

    /// One row a depth, one column a length, means at both ends.
    private static func table(_ cells: [NeedleCell], _ run: NeedleRun) -> TextTable {
        var table = TextTable(
            columns: [.init(title: "depth", isNumber: true)]
                + run.lengths.map { .init(title: "\($0) frames", isNumber: true) }
                + [.init(title: "all", isNumber: true)])
        func figure(_ cells: [NeedleCell]) -> String {
            let right = cells.reduce(0) { $0 + $1.correct }
            let count = cells.reduce(0) { $0 + $1.results.count }
            let share = cells.accuracy.map { Figures.decimal(100 * $0, 0) } ?? "-"
            return "\(share)% (\(right)/\(count))"
        }
        for depth in run.depths {
            let row = cells.filter { $0.depth == depth }
            table.rows.append(
                ["\(NeedleHeatMap.percentText(depth))%"]
                    + run.lengths.map { length in figure(row.filter { $0.length == length }) }
                    + [figure(row)])
        }
        table.rows.append(
            ["all"] + run.lengths.map { length in figure(cells.filter { $0.length == length }) }
                + [figure(cells)])
        return table
    }

    private static func name(_ model: ModelReference) -> String {
        model.name == ModelReference.embeddedName
            ? "embedded" : URL(fileURLWithPath: model.directory).lastPathComponent
    }

    /// A file of the project, below the current folder or below one of the executable's parents.
    private static func find(_ name: String, or flag: String) throws -> String {
        if let path = ProjectFiles.find(name) { return path }
        throw EnqueueError(
            "\(name) was not found below the current folder nor beside the executable; run niah in the "
                + "project's folder, or name a file of your own with \(flag)")
    }
}

/// One cell as JSON.
private struct CellLine: Encodable {
    struct Needle: Encodable {
        var file: String
        var question: String
        var expected: String
        var answer: String
        var correct: Bool
    }

    var frames: Int
    var depth: Double
    var frameIndex: Int
    var n: Int
    var correct: Int
    var accuracy: Double?
    var model: String
    var keptTokenRatioMean: Double?
    var attnFlopsUsed: Double?
    var attnFlopsDense: Double?
    var prefillMs: Double?
    var optionsJson: String
    var needles: [Needle]

    init(_ cell: NeedleCell, _ options: AnalysisOptions, _ model: ModelReference) {
        var options = options
        options.frames = cell.length
        frames = cell.length
        depth = cell.depth
        frameIndex = cell.frameIndex
        n = cell.results.count
        correct = cell.correct
        accuracy = cell.accuracy
        self.model = model.name
        keptTokenRatioMean = cell.mean(\.keptTokenRatioMean)
        attnFlopsUsed = cell.mean(\.attnFLOPsUsed)
        attnFlopsDense = cell.mean(\.attnFLOPsDense)
        prefillMs = cell.mean(\.prefillMS)
        optionsJson = options.json
        needles = cell.results.map {
            Needle(
                file: $0.needle.path, question: $0.needle.question, expected: $0.needle.expected,
                answer: $0.answer.answer, correct: $0.isCorrect)
        }
    }
}
