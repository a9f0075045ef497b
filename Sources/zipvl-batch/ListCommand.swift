import ArgumentParser
import Foundation
import Jobs

struct ListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List jobs.")

    @OptionGroup(title: "Global options") var global: GlobalOptions
    @OptionGroup var filter: FilterOptions

    @Argument(help: IDRange.help)
    var ids: [IDRange] = []

    @Option(help: ArgumentHelp("Show at most this many.", valueName: "n"))
    var limit = 100

    func validate() throws {
        if limit < 1 { throw ValidationError("--limit \(limit): expected at least 1") }
    }

    func run() async throws {
        let queue = try global.readQueue()
        // One more than shown tells whether there are more.
        let jobs = try await queue.list(
            filter.selection(ids, in: queue), limit: min(limit, .max - 1) + 1)
        let shown = jobs.prefix(limit)
        if global.json { return try shown.forEach { try JSONLine.print($0) } }
        var table = TextTable(columns: [
            .init(title: "id", isNumber: true), .init(title: "state"),
            .init(title: "batch", canShrink: true), .init(title: "video", canShrink: true),
            .init(title: "question", canShrink: true), .init(title: "tries", isNumber: true),
            .init(title: "note", canShrink: true),
        ])
        for job in shown {
            table.rows.append([
                "\(job.jobID)", job.state.rawValue, job.batch, job.videoName, job.question,
                "\(job.attemptsMade)", job.note,
            ])
        }
        print(table.text(width: Terminal.width(of: 1)))
        if jobs.count > limit { global.say("… more; --limit shows more than \(limit)") }
    }
}

extension JobRow {
    var videoName: String { URL(fileURLWithPath: video).lastPathComponent }

    /// Where a running job is, or why one failed.
    var note: String {
        if state == .running, let stage {
            return "\(stage) \(Int(((progress ?? 0) * 100).rounded()))%"
        }
        guard let errorClass else { return "" }
        return "\(errorClass.rawValue)/\(errorCode ?? ""): \(errorMessage ?? "")"
    }
}
