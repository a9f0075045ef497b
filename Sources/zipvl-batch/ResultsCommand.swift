import ArgumentParser
import Foundation
import Jobs
import Runner
import VideoFrames

struct ResultsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "results", abstract: "Show answers and what they saved.")

    @OptionGroup(title: "Global options") var global: GlobalOptions
    @OptionGroup var filter: FilterOptions

    @Argument(help: IDRange.help)
    var ids: [IDRange] = []

    @Option(help: ArgumentHelp("Show at most this many.", valueName: "n"))
    var limit: Int?

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit \(limit): expected at least 1") }
    }

    func run() async throws {
        let queue = try global.readQueue()
        let rows = try await queue.results(filter.selection(ids, in: queue), limit: limit)
        if global.json { return rows.forEach { print(JSONLine.text($0)) } }
        var table = TextTable(columns: [
            .init(title: "id", isNumber: true), .init(title: "video", canShrink: true),
            .init(title: "question", canShrink: true), .init(title: "answer", canShrink: true),
            .init(title: "expected", canShrink: true), .init(title: "correct"),
            .init(title: "method", canShrink: true), .init(title: "kept", isNumber: true),
            .init(title: "attn saved %", isNumber: true),
            .init(title: "model saved %", isNumber: true),
            .init(title: "KV saved %", isNumber: true),
        ])
        let samplings = rows.map(Self.sampling)
        let namesSampling = samplings.contains { $0 != SamplingMode.exact.title }
        if namesSampling { table.columns.append(.init(title: "sampling")) }
        for (row, sampling) in zip(rows, samplings) {
            table.rows.append(
                [
                    row.text("job_id"), row.videoName, row.text("question"), row.text("answer"),
                    row.text("expected"), row.isCorrect.map { $0 ? "right" : "wrong" } ?? "",
                    Self.method(of: row), row.decimal("kept_token_ratio_mean", 3),
                    row.decimal("attn_flops_saved_pct", 1),
                    Figures.savedPercent(
                        used: row.number("llm_flops_used"), dense: row.number("llm_flops_dense")
                    ).map { Figures.decimal($0, 1) } ?? "-",
                    row.decimal("kv_cache_saved_pct", 1),
                ] + (namesSampling ? [sampling] : []))
        }
        print(table.text(width: Terminal.width(of: 1)))
        let judged = rows.compactMap(\.isCorrect)
        if !judged.isEmpty {
            global.say("\(judged.filter { $0 }.count) of \(judged.count) right")
        }
    }

    /// How frames were chosen, and how many are not those that were asked for.
    private static func sampling(of row: ResultRow) -> String {
        let mode = SamplingMode(rawValue: row.text("sampling"))?.title ?? row.text("sampling")
        let data = Data(row.text("substituted_frames").utf8)
        let others = (try? JSONDecoder().decode([SubstitutedFrame].self, from: data))?.count ?? 0
        return others == 0 ? mode : "\(mode), \(others) of \(row.text("frames_used")) others"
    }

    /// With the settings that tell rows of one method apart.
    private static func method(of row: ResultRow) -> String {
        (try? AnalysisOptions(json: row.text("options_json")))?.methodLabel ?? row.text("method")
    }
}
