import ArgumentParser
import Foundation
import Jobs

struct ExportCommand: AsyncParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable { case jsonl, csv, openai }

    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write answers for other programs.",
        discussion: """
            jsonl and csv have the columns of the view `results`; openai has the lines of an OpenAI \
            batch's output file, failed jobs as error lines among them.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions
    @OptionGroup var filter: FilterOptions

    @Argument(help: IDRange.help)
    var ids: [IDRange] = []

    @Option(help: "What to write.")
    var format = Format.jsonl

    @Option(help: ArgumentHelp("Write to this file instead of standard output.", valueName: "file"))
    var output: String?

    @Option(help: ArgumentHelp("Write at most this many answers.", valueName: "n"))
    var limit: Int?

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit \(limit): expected at least 1") }
    }

    func run() async throws {
        let queue = try global.readQueue()
        let selection = try await filter.selection(ids, in: queue)
        let rows = try await queue.results(selection, limit: limit)
        let lines: [String]
        switch format {
        case .jsonl: lines = rows.map(JSONLine.text)
        case .csv: lines = CSV.lines(rows)
        case .openai:
            var failed = selection
            failed.states = [.failed]
            let wantsFailures = selection.states.isEmpty || selection.states.contains(.failed)
            let failures =
                wantsFailures ? try await queue.list(failed, limit: limit ?? .max) : []
            var answers: [String] = []
            for row in rows {
                // The view does not say why an answer ended.
                let job = JobID(row.number("job_id") ?? 0)
                let reason = try await queue.show(job)?.answer?.finishReason
                answers.append(OpenAIBatch.line(row, reason))
            }
            lines = answers + failures.map(OpenAIBatch.line)
        }
        let text = lines.map { $0 + "\n" }.joined()
        guard let output else { return print(text, terminator: "") }
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: output), options: .atomic)
        } catch {
            throw OutputError(description: "\(output): cannot be written: \(error)")
        }
        global.say("\(lines.count) lines written to \(output)")
    }
}

/// RFC 4180, with a header line.
private enum CSV {
    static func lines(_ rows: [ResultRow]) -> [String] {
        guard let first = rows.first else { return [] }
        let header = first.columns.map { field($0.name) }.joined(separator: ",")
        return [header]
            + rows.map { row in
                row.columns.map { field(row.text($0.name)) }.joined(separator: ",")
            }
    }

    private static func field(_ text: String) -> String {
        let needsQuotes = text.unicodeScalars.contains { ",\"\r\n".unicodeScalars.contains($0) }
        return needsQuotes ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
    }
}

/// Lines of an OpenAI batch output file.
private enum OpenAIBatch {
    static func line(_ row: ResultRow, _ finishReason: Answer.FinishReason?) -> String {
        let reason = finishReason == .content ? "content_filter" : finishReason?.rawValue ?? "stop"
        let id = row.text("job_id")
        let (prompt, output) = (row.number("prompt_tokens") ?? 0, row.number("output_tokens") ?? 0)
        let body =
            "{\"id\":\"job-\(id)\",\"object\":\"chat.completion\",\"model\":"
            + JSONLine.string(row.text("model"))
            + ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
            + JSONLine.string(row.text("answer")) + "},\"finish_reason\":\"\(reason)\"}],\"usage\":"
            + "{\"prompt_tokens\":\(Int(prompt)),\"completion_tokens\":\(Int(output)),"
            + "\"total_tokens\":\(Int(prompt + output))}}"
        return "{\"id\":\"job-\(id)\",\"custom_id\":\(custom(row.text("custom_id"), id)),"
            + "\"response\":{\"status_code\":200,\"request_id\":\"job-\(id)\",\"body\":\(body)},"
            + "\"error\":null}"
    }

    static func line(_ job: JobRow) -> String {
        let code = JSONLine.string(job.errorCode ?? "unknown")
        let message = JSONLine.string(job.errorMessage ?? "")
        return "{\"id\":\"job-\(job.jobID)\",\"custom_id\":"
            + custom(job.customID ?? "", "\(job.jobID)")
            + ",\"response\":null,\"error\":{\"code\":\(code),\"message\":\(message)}}"
    }

    /// Readers match lines on it, so it is never empty.
    private static func custom(_ text: String, _ id: String) -> String {
        JSONLine.string(text.isEmpty ? "job-\(id)" : text)
    }
}
