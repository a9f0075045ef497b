import ArgumentParser
import Foundation
import LongVA
import Runner
import SparsePrefill
import VideoFrames

struct MInferenceSearchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "minference-search",
        abstract: "Find a pattern for each head of a model, for --minference-config.",
        discussion: """
            Runs one full prefill of each video and takes for every head the candidate that recovers the \
            most attention: a vertical-slash pair, StreamingLLM's window (100 first, 800 recent keys) or \
            100 blocks of 64 keys. The paper searches on a prompt of 30,000 tokens. On a prompt of n \
            tokens `--scale` 30000/n keeps the candidates' share of it; the patterns found are then \
            those sizes, meant for prompts of about that length.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions
    @OptionGroup var device: DeviceOptions

    @Option(help: ArgumentHelp("Model directory (default: embedded).", valueName: "dir"))
    var model: String?

    @Option(help: ArgumentHelp("Where the patterns are written.", valueName: "file.json"))
    var out: String

    @Option(help: ArgumentHelp("A video to search on (repeatable).", valueName: "file"))
    var video: [String]

    @Option(help: ArgumentHelp("Frames sampled from each video.", valueName: "n"))
    var frames = 64

    @Option(help: ArgumentHelp("What is asked about each video.", valueName: "text"))
    var question = "What happens in this video?"

    @Option(
        help: ArgumentHelp(
            "Vertical-slash candidates, \"columns,diagonals\" with semicolons between them.",
            valueName: "v,s;..."))
    var candidates = "30,800;100,750;500,700;3500,100"

    @Option(
        help: ArgumentHelp("Divide every candidate's sizes by this.", valueName: "factor"))
    var scale = 1.0

    func validate() throws {
        guard frames > 0 else { throw ValidationError("--frames \(frames): expected 1 or more") }
        guard scale > 0, scale.isFinite else {
            throw ValidationError("--scale \(scale): expected a number above 0")
        }
        if video.isEmpty { throw ValidationError("--video: expected at least one file") }
        if question.isEmpty { throw ValidationError("--question: is empty") }
        if try pairs().isEmpty { throw ValidationError("--candidates: names no pair") }
        try OutputFile.check(out, flag: "--out")
    }

    private func pairs() throws -> [(vertical: Int, slash: Int)] {
        try candidates.split(separator: ";").map { text in
            let sizes = text.split(separator: ",", omittingEmptySubsequences: false)
                .map { Int($0.trimmingCharacters(in: .whitespaces)) }
            guard sizes.count == 2, let vertical = sizes[0], let slash = sizes[1],
                (0...1 << 30).contains(vertical), (0...1 << 30).contains(slash),
                vertical + slash > 0
            else {
                throw ValidationError(
                    "--candidates: \"\(text)\" is not \"columns,diagonals\", such as 30,800")
            }
            return (vertical, slash)
        }
    }

    func run() async throws {
        let reference = try ModelReference(model)
        _ = try device.loadTorch()
        let search = MInferenceSearch(
            candidates: MInferenceSearch.candidates(verticalAndSlash: try pairs(), scale: scale))
        let sampler = SamplerLaunch.start()
        let engine = LongVAEngine(sampler: sampler, model: device.engine())
        var batches: [SampledFrames] = []
        for path in video {
            batches.append(
                try await engine.sample(
                    URL(fileURLWithPath: path).standardizedFileURL.path, frames: frames,
                    options: AnalysisOptions(), model: reference))
        }
        await sampler.shutDown()
        try measure(search, batches, reference)
        let result = search.result()
        do {
            try result.json.write(toFile: out, atomically: true, encoding: .utf8)
        } catch {
            throw OutputError(
                description: "\(out): cannot be written: \(error.localizedDescription)")
        }
        try report(result)
    }

    /// Nothing else runs in this process, so that the model may hold the thread to the end.
    private func measure(
        _ search: MInferenceSearch, _ batches: [SampledFrames], _ reference: ModelReference
    ) throws {
        let showsProgress = Terminal.showsErrors && !global.quiet
        defer { if showsProgress { Terminal.write("\r\u{1B}[K") } }
        let model = try LongVAModel(
            ModelOptions(directory: reference.directory, device: device.name))
        for (path, batch) in zip(video, batches) {
            let tokens = try model.measure(
                search, question: question,
                frames: FrameBatch(pixels: batch.pixels, count: batch.count, side: batch.width)
            ) { stage, fraction in
                if showsProgress {
                    Terminal.write("\r\u{1B}[K\(path): \(stage) \(Int(fraction * 100))%")
                }
            }
            if showsProgress { Terminal.write("\r\u{1B}[K") }
            if global.verbose { Terminal.complain("\(path): \(tokens) prompt tokens") }
        }
    }

    private struct Line: Encodable {
        var layer: Int
        var heads: [String: Int]
        var meanMass: Double
        var masses: [Double]
    }

    private func report(_ result: MInferenceSearch.Result) throws {
        let lines = result.masses.enumerated().map { layer, masses in
            var heads: [String: Int] = [:]
            for pattern in result.patterns.layers[layer].values {
                heads[Self.name(pattern), default: 0] += 1
            }
            return Line(
                layer: layer, heads: heads,
                meanMass: masses.reduce(0, +) / Double(max(masses.count, 1)), masses: masses)
        }
        if global.json { return try lines.forEach { try JSONLine.print($0) } }
        let table = TextTable(
            columns: [
                .init(title: "layer", isNumber: true), .init(title: "heads by pattern"),
                .init(title: "mass", isNumber: true), .init(title: "least", isNumber: true),
            ],
            rows: lines.map { line in
                let heads = line.heads.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
                    .map { "\($0.value) \($0.key)" }.joined(separator: ", ")
                return [
                    "\(line.layer)", heads, Self.share(line.meanMass),
                    Self.share(line.masses.min() ?? 0),
                ]
            })
        global.say(table.text(width: nil))
        global.say("\(out): patterns of \(lines.count) layers")
    }

    private static func name(_ pattern: MInferencePattern) -> String {
        switch pattern {
        case .verticalAndSlash(let vertical, let slash): "vertical_and_slash(\(vertical), \(slash))"
        case .blockSparse(let blocks): "block_sparse(\(blocks))"
        case .streaming(let initial, let local): "stream_llm(\(initial), \(local))"
        }
    }

    private static func share(_ mass: Double) -> String {
        String(format: "%.3f", mass)
    }
}
