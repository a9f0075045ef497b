import ArgumentParser
import Jobs
import Runner

struct ShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show all that is known of one job.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Argument(help: IDRange.help)
    var ids: [IDRange]

    func run() async throws {
        let queue = try global.readQueue()
        let selection = try await FilterOptions.selection(of: ids, in: queue)
        let jobs = try await queue.list(selection, limit: 1000)
        guard !jobs.isEmpty else {
            throw ValidationError("\(global.queueTitle): no job with this id")
        }
        for job in jobs {
            guard let detail = try await queue.show(job.jobID) else { continue }
            if global.json {
                try JSONLine.print(DetailLine(detail))
            } else {
                Terminal.print(Self.text(detail))
            }
        }
    }

    private static func text(_ detail: JobDetail) -> String {
        let job = detail.job
        var lines = ["job \(job.jobID): \(job.state.rawValue)"]
        func add(_ name: String, _ value: String?) {
            guard let value, !value.isEmpty else { return }
            let text = Printable.line(value)
            lines.append("  \(name)\(String(repeating: " ", count: 12 - name.count))\(text)")
        }
        add("batch", job.batch)
        add("custom id", job.customID)
        add("video", job.video)
        for (name, value) in detail.video.sorted(by: { $0.key < $1.key }) where name != "path" {
            lines.append("                \(name): \(value)")
        }
        add("question", job.question)
        add("choices", detail.choices?.joined(separator: " | "))
        add("expected", detail.expected)
        add("model", detail.model)
        add("options", detail.optionsJSON)
        add("sampling", (try? AnalysisOptions(json: detail.optionsJSON))?.sampling.title)
        add("priority", "\(job.priority)")
        add("note", job.note)
        if let answer = detail.answer { lines += Self.lines(answer) }
        for attempt in detail.attempts {
            let failure = attempt.errorCode.map { " \($0): \(attempt.errorMessage ?? "")" } ?? ""
            lines.append(
                "  attempt \(attempt.number) by \(attempt.worker): \(attempt.outcome ?? "running") "
                    + "(\(attempt.startedAt) to \(attempt.endedAt ?? "now"))\(failure)")
            if let path = attempt.logPath { lines.append("            log \(path)") }
        }
        return lines.joined(separator: "\n")
    }

    private static func lines(_ answer: Answer) -> [String] {
        var lines = ["  answer      \(answer.answer)"]
        if let choice = answer.choice { lines.append("  choice      \(choice)") }
        if let kept = answer.keptTokenRatioMean {
            lines.append("  kept ratio  \(Figures.ratio(kept))")
        }
        if let correct = answer.correct { lines.append("  correct     \(correct ? "yes" : "no")") }
        lines += [
            "  tokens      \(answer.promptTokens) prompt (\(answer.visualTokens) visual), "
                + "\(answer.outputTokens) output, \(answer.framesUsed) frames",
            "  saved       attention \(Figures.percent(answer.attnFLOPsSavedPct)), whole model "
                + Figures.percent(answer.llmFLOPsSavedPct),
            "  KV cache    \(Figures.percent(answer.kvCacheSavedPct)) saved, "
                + "\(answer.kvCacheBytesUsed) of \(answer.kvCacheBytesDense) bytes",
            "  time        \(Figures.milliseconds(answer.totalMS)): decode "
                + "\(Figures.milliseconds(answer.decodeVideoMS)), vision "
                + "\(Figures.milliseconds(answer.visionMS)), prefill "
                + "\(Figures.milliseconds(answer.prefillMS)), generate "
                + Figures.milliseconds(answer.generateMS),
            "  peak memory \(answer.peakHostBytes >> 20) MiB",
        ]
        if !answer.substitutedFrames.isEmpty {
            let frames = answer.substitutedFrames.map { "\($0.requested) -> \($0.shown)" }
            lines.append(
                "  substitutes \(frames.count) of \(answer.framesUsed) frames, asked for -> shown: "
                    + frames.joined(separator: ", "))
        }
        return lines + answer.warnings.map { "  warning     \($0)" }
    }
}
