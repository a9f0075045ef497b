/// The batch beside a baseline: what changed for the same questions about the same videos.
enum ComparisonSection {
    /// Most questions that are listed one by one.
    private static let questionLimit = 100

    static func body(_ content: ReportContent) -> HTML {
        guard let baseline = content.baseline else { return "" }
        let comparisons = ReportComparison.comparisons(of: content)
        let intro: HTML = """
            <p class="note">Beside batch <b>\(baseline.batch)</b>, paired by the video's content and the \
            question. Differences are this batch less the baseline; their intervals are bootstrapped over \
            pairs.</p>
            """
        if comparisons.allSatisfy({ $0.pairs.isEmpty }) {
            return intro + "<p>No question has an answer in both batches.</p>"
        }
        return comparisons.reduce(intro) { $0 + block($1, baseline.batch) }
    }

    private static func block(_ comparison: ReportComparison, _ baseline: String) -> HTML {
        """
        <div class="card group">
        <h3>\(comparison.method)</h3>
        <p class="soft small">\(ReportFigures.count(comparison.pairs.count, "pair"))\
        \(unpaired(comparison))</p>
        <div class="two">
        <div>\(correctness(comparison))</div>
        <div>\(differences(comparison))</div>
        </div>
        \(changed(comparison))
        </div>

        """
    }

    private static func unpaired(_ comparison: ReportComparison) -> String {
        var text = ""
        if comparison.unpaired > 0 {
            text +=
                "; \(ReportFigures.count(comparison.unpaired, "answer")) without one in the baseline"
        }
        if comparison.ambiguous > 0 {
            text +=
                "; \(ReportFigures.count(comparison.ambiguous, "answer")) left out because the "
                + "baseline has several of other options"
        }
        return text
    }

    private static func correctness(_ comparison: ReportComparison) -> HTML {
        guard let points = comparison.accuracyPoints, let p = comparison.pValue else {
            return "<p class=\"note\">No pair was judged on both sides.</p>"
        }
        let interval = comparison.accuracyInterval.map {
            ", \(ReportFigures.signed($0.low, 1)) to \(ReportFigures.signed($0.high, 1))"
        }
        return """
            <div class="grid2">
            <span class="h"></span><span class="h">baseline right</span>\
            <span class="h">baseline wrong</span>
            <span class="h">this right</span><span><b>\(ReportFigures.count(comparison.bothRight))</b>\
            </span><span><b>\(ReportFigures.count(comparison.onlyThisRight))</b></span>
            <span class="h">this wrong</span><span><b>\
            \(ReportFigures.count(comparison.onlyBaselineRight))</b></span>\
            <span><b>\(ReportFigures.count(comparison.bothWrong))</b></span>
            </div>
            <p>Accuracy <b>\(ReportFigures.signed(points, 1)) points</b>\(interval ?? "")<br />
            <span class="soft">McNemar, exact, two-sided: p \
            \(p < 0.0001 ? "" : "= ")\(ReportFigures.pValue(p))</span></p>
            """
    }

    private static func differences(_ comparison: ReportComparison) -> HTML {
        let rows = [
            row("attention saved", "points", comparison.difference(\.attnSavedPct)) {
                ReportFigures.signed($0, 1)
            },
            row("KV cache saved", "points", comparison.difference(\.kvSavedPct)) {
                ReportFigures.signed($0, 1)
            },
            row("kept tokens", "share", comparison.difference(\.keptTokenRatioMean)) {
                ReportFigures.signed($0, 3)
            },
            row("time of an answer", "", comparison.difference(\.totalMS), signedTime),
            row("prefill", "", comparison.difference(\.prefillMS), signedTime),
            row("peak host memory", "MiB", comparison.difference(\.peakHostMiB)) {
                ReportFigures.signed($0, 1)
            },
        ]
        return """
            <table><thead><tr><th>mean difference</th><th class="n">difference</th>\
            <th class="n">95 % interval</th><th class="n">pairs</th></tr></thead>
            <tbody>\(rows)</tbody></table>
            """
    }

    private static func signedTime(_ value: Double) -> String {
        (value > 0 ? "+" : "") + ReportFigures.time(milliseconds: value)
    }

    private static func row(
        _ name: String, _ unit: String, _ difference: ReportComparison.Difference?,
        _ format: (Double) -> String
    ) -> HTML {
        guard let difference else { return "" }
        let interval = difference.interval.map { "\(format($0.low)) to \(format($0.high))" }
        return """
            <tr><th scope="row">\(name) <span class="soft small">\(unit)</span></th>\
            <td class="n">\(format(difference.mean))</td><td class="n">\(interval ?? "")</td>\
            <td class="n">\(ReportFigures.count(difference.pairs))</td></tr>

            """
    }

    /// The questions that only one side got right.
    private static func changed(_ comparison: ReportComparison) -> HTML {
        let pairs = comparison.pairs.filter {
            guard let mine = $0.answer.correct, let other = $0.baseline.correct else {
                return false
            }
            return mine != other
        }
        guard !pairs.isEmpty else { return "" }
        let rows = pairs.prefix(questionLimit).map { pair -> HTML in
            let isRight = pair.answer.correct == true
            return """
                <tr><td class="n">\(pair.answer.jobID)</td>\
                <td class="path">\(VideoName.of(pair.answer.video))</td>\
                <td class="text">\(Excerpt.of(pair.answer.question, limit: 300))</td>\
                <td class="text">\(mark(isRight)) \(Excerpt.of(pair.answer.answer, limit: 200))</td>\
                <td class="text">\(mark(!isRight)) \(Excerpt.of(pair.baseline.answer, limit: 200))</td>\
                <td class="text">\(Excerpt.of(pair.answer.expected ?? "", limit: 200))</td></tr>

                """
        }
        let rest = pairs.count - rows.count
        return """
            <details><summary>\(ReportFigures.count(pairs.count, "question")) that only one side got \
            right</summary>
            <table><thead><tr><th class="n">job</th><th>video</th><th>question</th><th>this batch</th>\
            <th>baseline</th><th>expected</th></tr></thead>
            <tbody>\(Array(rows))</tbody></table>
            \(rest > 0 ? "<p class=\"note\">and \(ReportFigures.count(rest)) more</p>" as HTML : "")\
            </details>
            """
    }

    static func mark(_ isRight: Bool) -> HTML {
        isRight ? "<span class=\"yes\">✓ right</span>" : "<span class=\"no\">✗ wrong</span>"
    }
}

enum VideoName {
    /// The last part of a path.
    static func of(_ path: String) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        return name.isEmpty ? path : name
    }
}
