import Foundation
import Runner

/// The tables of an evaluation for people, as columns or as Markdown.
struct EvalTables {
    private let summary: EvaluationSummary
    private let items: Int

    init(_ summary: EvaluationSummary, items: Int) {
        self.summary = summary
        self.items = items
    }

    func text(width: Int?) -> String {
        var parts = [methods.text(width: width)]
        if !summary.groups.isEmpty { parts.append(groups.text(width: width)) }
        parts.append(legend)
        return parts.joined(separator: "\n\n")
    }

    func markdown(title: String, model: String) -> String {
        var parts = ["# \(title), \(items) items, model \(model)", Self.markdown(methods)]
        if !summary.groups.isEmpty {
            parts += ["## Accuracy by group", Self.markdown(groups)]
        }
        return (parts + [legend]).joined(separator: "\n\n") + "\n"
    }

    private var hasSeveralFrameCounts: Bool { Set(summary.methods.map(\.frames)).count > 1 }

    private var methods: TextTable {
        typealias Row = EvaluationSummary.Method
        var columns: [(String, (Row) -> String)] = [
            ("frames", { "\($0.frames)" }),
            ("n", { "\($0.answered)" }),
            ("right %", { Self.percent($0.accuracy) }),
            ("95 %", { Self.range($0.accuracyInterval, scale: 100) }),
            ("Δ points", { Self.paired($0, Self.signed($0.differencePoints)) }),
            ("95 % of Δ", { Self.paired($0, Self.range($0.differenceInterval, scale: 1)) }),
            ("p", { Self.paired($0, Self.probability($0.pValue)) }),
            ("same answer %", { Self.paired($0, Self.percent($0.agreement)) }),
            ("kept", { Figures.ratio($0.keptRatio) }),
            ("attn saved %", { Self.number($0.attentionSavedPct) }),
            ("attn saved % (paper)", { Self.number($0.attentionSavedPctPaper) }),
            ("LLM FLOPs saved %", { Self.number($0.decoderSavedPct) }),
            ("KV bytes", { Figures.ratio($0.kvBytesRatio) }),
            ("prefill ms", { Self.paired($0, Figures.ratio($0.prefillRatio)) }),
        ]
        if summary.methods.contains(where: { $0.failed > 0 }) {
            columns.insert(("failed", { "\($0.failed)" }), at: 2)
        }
        var table = TextTable(
            columns: [.init(title: "method")]
                + columns.map { .init(title: $0.0, isNumber: true) })
        for row in summary.methods { table.rows.append([row.method] + columns.map { $0.1(row) }) }
        return table
    }

    /// Groups as rows, methods as columns.
    private var groups: TextTable {
        let methods = summary.methods
        var table = TextTable(
            columns: [.init(title: "group"), .init(title: "n", isNumber: true)]
                + methods.map { method in
                    .init(
                        title: hasSeveralFrameCounts
                            ? "\(method.method) @\(method.frames)" : method.method,
                        isNumber: true)
                })
        let rows = stride(from: 0, to: summary.groups.count, by: methods.count).map {
            Array(summary.groups[$0..<$0 + methods.count])
        }
        for row in rows {
            table.rows.append(
                [row[0].group, "\(row.map(\.answered).max() ?? 0)"]
                    + row.map { group in
                        Self.percent(group.accuracy) + " ("
                            + Self.range(group.accuracyInterval, scale: 100) + ")"
                    })
        }
        table.rows.append(
            ["mean of groups", ""]
                + methods.indices.map { column in
                    let shares = rows.compactMap { $0[column].accuracy }
                    return Self.percent(
                        shares.isEmpty ? nil : shares.reduce(0, +) / Double(shares.count))
                })
        return table
    }

    private var legend: String {
        """
        Intervals are 95 %: of the accuracy Wilson's, of Δ a bootstrap over items. Δ, p (exact McNemar), \
        same answer and prefill ms (median ratio) compare with \(summary.baseline) on the items that both \
        answered. FLOPs and KV bytes are against all visual tokens with full attention. prefill ms is a \
        time and differs between runs.
        """
    }

    // MARK: Cells

    private static func paired(_ row: EvaluationSummary.Method, _ text: String) -> String {
        row.isBaseline ? "" : text
    }

    private static func percent(_ share: Double?) -> String {
        share.map { Figures.decimal(100 * $0, 1) } ?? "-"
    }

    private static func number(_ value: Double?) -> String {
        value.map { Figures.decimal($0, 1) } ?? "-"
    }

    private static func signed(_ value: Double?) -> String {
        value.map { ($0 > 0 ? "+" : "") + Figures.decimal($0, 1) } ?? "-"
    }

    private static func range(_ interval: EvaluationSummary.Interval?, scale: Double) -> String {
        guard let interval else { return "-" }
        return Figures.decimal(scale * interval.low, 1) + ".."
            + Figures.decimal(scale * interval.high, 1)
    }

    private static func probability(_ p: Double?) -> String {
        guard let p else { return "-" }
        return p < 0.001 ? String(format: "%.0e", p) : Figures.decimal(p, 3)
    }

    private static func markdown(_ table: TextTable) -> String {
        func line(_ cells: [String]) -> String {
            "| "
                + cells.map { $0.replacing("|", with: "\\|").replacing("\n", with: " ") }
                .joined(separator: " | ") + " |"
        }
        let rule = table.columns.map { $0.isNumber ? "---:" : "---" }
        return ([line(table.columns.map(\.title)), line(rule)] + table.rows.map(line))
            .joined(separator: "\n")
    }
}
