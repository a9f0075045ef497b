import Foundation
import Jobs

/// The head of a report: what became of the batch, and its numbers.
enum SummarySection {
    static func header(_ content: ReportContent, _ summary: ReportSummary) -> HTML {
        let span = TimeSpan(content.attempts, now: content.madeAt)
        let ran = span.map { span -> HTML in
            "; ran <b>\(ReportTime.day(span.start))</b> to <b>\(ReportTime.day(span.end))</b>"
        }
        return """
            <header>
            <h1>\(content.title)</h1>
            <span class="badge \(tone(summary.verdict))">\(summary.verdict.rawValue)</span>
            <p class="meta">Queue <b>\(content.queue)</b>\(ran ?? "")\
            ; report of <b>\(ReportTime.day(content.madeAt.timeIntervalSince1970))</b>, times in UTC</p>
            </header>
            """
    }

    private static func tone(_ verdict: ReportSummary.Verdict) -> String {
        switch verdict {
        case .finished: "good"
        case .failed: "bad"
        case .finishedWithFailures, .cancelled: "warn"
        case .empty, .unfinished: ""
        }
    }

    static func body(_ content: ReportContent, _ summary: ReportSummary) -> HTML {
        """
        <section id="summary-section">
        <h2>Summary</h2>
        \(states(summary))
        \(batches(content))
        <div class="cards">\(cards(content, summary))</div>
        \(content.notes.map { "<p class=\"note\">\($0)</p>" as HTML })
        </section>
        """
    }

    private static func states(_ summary: ReportSummary) -> HTML {
        let states: [(name: String, count: Int)] = [
            ("succeeded", summary.succeeded), ("failed", summary.failed),
            ("running", summary.running), ("queued", summary.queued), ("held", summary.held),
            ("cancelled", summary.cancelled),
        ]
        let bar = states.filter { $0.count > 0 }.map { state -> HTML in
            let title = "\(ReportFigures.count(state.count)) \(state.name)"
            return """
                <i class="\(state.name)" style="flex:\(state.count)" title="\(title)"></i>
                """
        }
        let legend = states.map { state -> HTML in
            """
            <span\(state.count == 0 ? " class=\"soft\"" as HTML : "")><i class="\(state.name)"></i>\
            <b>\(ReportFigures.count(state.count))</b> \(state.name)</span>
            """
        }
        return """
            <div class="card">
            <div class="states">\(bar)</div>
            <div class="legend">\(legend)</div>
            </div>
            """
    }

    /// The batches one by one, where there are several.
    private static func batches(_ content: ReportContent) -> HTML {
        guard content.statuses.count > 1 else { return "" }
        let rows = content.statuses.map { status -> HTML in
            let counts = [
                status.held, status.ready + status.scheduled + status.retrying,
                status.running + status.orphaned, status.succeeded, status.failed,
                status.cancelled,
            ]
            let cells = counts.map { "<td class=\"n\">\(ReportFigures.count($0))</td>" as HTML }
            return "<tr><th scope=\"row\" class=\"text\">\(status.batch)</th>\(cells)</tr>\n"
        }
        let titles = ["held", "queued", "running", "succeeded", "failed", "cancelled"]
            .map { "<th class=\"n\">\($0)</th>" as HTML }
        return """
            <details open="open" class="note"><summary>\(ReportFigures.count(rows.count, "batch name"))\
            </summary>
            <div class="scroll"><table><thead><tr><th>batch</th>\(titles)</tr></thead>
            <tbody>\(rows)</tbody></table></div></details>
            """
    }

    private static func cards(_ content: ReportContent, _ summary: ReportSummary) -> [HTML] {
        var cards = [
            card(
                "Answers", ReportFigures.count(content.answers.count),
                ["of \(ReportFigures.count(summary.jobs, "job"))", warnings(summary)])
        ]
        if let accuracy = summary.accuracy {
            let interval = summary.accuracyInterval.map {
                "\(ReportFigures.decimal(100 * $0.low, 1)) to "
                    + "\(ReportFigures.decimal(100 * $0.high, 1)) % (Wilson)"
            }
            cards.append(
                card(
                    "Right answers", ReportFigures.percent(100 * accuracy),
                    [
                        "\(ReportFigures.count(summary.correct)) right, "
                            + "\(ReportFigures.count(summary.judged - summary.correct)) wrong",
                        interval ?? "",
                    ], share: accuracy))
        } else {
            cards.append(card("Right answers", "–", ["no job names an expected answer"]))
        }
        let span = TimeSpan(content.attempts, now: content.madeAt)
        let mean =
            content.answers.isEmpty
            ? ""
            : ReportFigures.time(
                milliseconds: summary.totalMS / Double(content.answers.count)) + " an answer"
        cards.append(
            card(
                "Time of all answers", ReportFigures.time(milliseconds: summary.totalMS),
                [
                    mean,
                    span.map {
                        ReportFigures.time(milliseconds: 1000 * ($0.end - $0.start))
                            + " from first to last"
                    } ?? "",
                ]))
        cards.append(
            saving(
                "Attention FLOPs saved", summary.attnSavedPct,
                ReportFigures.flops(summary.attnFLOPsUsed),
                ReportFigures.flops(summary.attnFLOPsDense),
                "whole decoder \(ReportFigures.percent(summary.llmSavedPct))"))
        cards.append(
            saving(
                "KV cache saved", summary.kvSavedPct, ReportFigures.bytes(summary.kvBytesUsed),
                ReportFigures.bytes(summary.kvBytesDense), "sums over answers"))
        let device = summary.peakDeviceMiB.map { "\(ReportFigures.mebibytes($0)) on the device" }
        cards.append(
            card(
                "Peak memory", ReportFigures.mebibytes(summary.peakHostMiB),
                ["of a worker on its host", device ?? "no device memory was measured"]))
        return cards
    }

    private static func warnings(_ summary: ReportSummary) -> String {
        summary.answersWithWarnings > 0
            ? "\(ReportFigures.count(summary.answersWithWarnings)) with warnings" : "no warnings"
    }

    private static func saving(
        _ label: String, _ percent: Double?, _ used: String, _ dense: String, _ note: String
    ) -> HTML {
        guard let percent else { return card(label, "–", ["nothing was measured"]) }
        return card(
            label, ReportFigures.percent(percent), ["\(used) of \(dense)", note],
            share: percent / 100)
    }

    /// - Parameter share: what the bar below the number shows, 0 to 1
    private static func card(
        _ label: String, _ value: String, _ notes: [String], share: Double? = nil
    ) -> HTML {
        let bar = share.map { share -> HTML in
            let width = ReportFigures.pixels(100 * min(max(share, 0), 1))
            return "<span class=\"meter\"><i style=\"width:\(width)%\"></i></span>"
        }
        let lines = notes.filter { !$0.isEmpty }.map { "<div class=\"sub\">\($0)</div>" as HTML }
        return """
            <div class="card"><div class="label">\(label)</div><div class="big">\(value)</div>\
            \(bar ?? "")\(lines)</div>

            """
    }
}
