/// What each method got right and saved.
enum MethodSection {
    static func body(_ content: ReportContent) -> HTML {
        let methods = content.methods
        guard !methods.isEmpty else { return "" }
        let rows = methods.enumerated().map { index, method in row(method, index) }
        let titles = [
            "answers", "right", "95 % interval", "kept<br />tokens",
            "attention<br />saved", "as in the<br />papers", "decoder<br />saved",
            "KV cache<br />saved", "median<br />time", "median<br />prefill", "peak<br />memory",
        ].map { "<th class=\"n\">\(HTML(stringLiteral: $0))</th>" as HTML }
        return """
            <div class="scroll"><table>
            <thead><tr><th>method</th>\(titles)</tr></thead>
            <tbody>\(rows)</tbody>
            </table></div>
            """
    }

    private static func row(_ method: ReportMethod, _ index: Int) -> HTML {
        let answers = method.answers
        let summary = ReportSummary(statuses: [], answers: answers)
        let interval = summary.accuracyInterval.map {
            "\(ReportFigures.decimal(100 * $0.low, 1)) to \(ReportFigures.decimal(100 * $0.high, 1))"
        }
        let peak = summary.peakDeviceMiB ?? summary.peakHostMiB
        let cells = [
            ReportFigures.count(answers.count),
            summary.accuracy.map { ReportFigures.percent(100 * $0) } ?? ReportFigures.none,
            interval ?? ReportFigures.none,
            ReportFigures.decimal(mean(answers.compactMap(\.keptTokenRatioMean)), 3),
            ReportFigures.percent(summary.attnSavedPct),
            ReportFigures.percent(mean(answers.compactMap(\.attnFLOPsSavedPctPaper))),
            ReportFigures.percent(summary.llmSavedPct),
            ReportFigures.percent(summary.kvSavedPct),
            ReportFigures.time(milliseconds: PairedStatistics.median(answers.map(\.totalMS))),
            ReportFigures.time(
                milliseconds: PairedStatistics.median(answers.compactMap(\.prefillMS))),
            ReportFigures.mebibytes(peak),
        ].map { "<td class=\"n\">\($0)</td>" as HTML }
        return """
            <tr><th scope="row" class="path" title="\(method.optionsJSON)">\
            <span class="legend" style="display:inline"><i class="s\(index % 8)"></i></span>\
            \(method.label)<div class="soft small">\(method.model)</div></th>\(cells)</tr>

            """
    }

    private static func mean(_ values: [Double]) -> Double? {
        values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }
}
