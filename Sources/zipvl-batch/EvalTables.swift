import Foundation
import Runner
import VideoFrames

/// The tables of an evaluation for people, as columns or as Markdown.
struct EvalTables {
    private let summary: EvaluationSummary
    private let items: Int
    private let outside: [MethodSpec.Setting]

    init(_ summary: EvaluationSummary, items: Int, plan: EvaluationPlan) {
        self.summary = summary
        self.items = items
        outside = plan.outside
    }

    func text(width: Int?) -> String {
        var parts = [accuracy.text(width: width), savings.text(width: width)]
        if !summary.groups.isEmpty { parts += numberedGroups(width: width) }
        return (parts + notes).joined(separator: "\n\n")
    }

    func markdown(title: String, model: String) -> String {
        var parts = [
            "# \(title), \(items) items, model \(model)", "## Accuracy", Self.markdown(accuracy),
            "## Savings", Self.markdown(savings),
        ]
        if !summary.groups.isEmpty { parts += ["## Accuracy by group", Self.markdown(groups)] }
        return (parts + notes).joined(separator: "\n\n") + "\n"
    }

    /// What goes under the tables.
    private var notes: [String] {
        guard !outside.isEmpty else { return [legend] }
        let flags = outside.map { setting in
            let mode = setting.key == .sampling ? SamplingMode(rawValue: setting.text) : nil
            return "\(setting.key.flag) \(mode?.title ?? setting.text)"
        }.joined(separator: " ")
        return ["Run with: \(flags) (each method with those that it takes)", legend]
    }

    // MARK: Methods

    private typealias Row = EvaluationSummary.Method

    private var accuracy: TextTable {
        var columns: [(String, (Row) -> String)] = [
            ("frames", { "\($0.frames)" }),
            ("n", { "\($0.answered)" }),
            ("right\n%", { Self.percent($0.accuracy) }),
            ("95 %", { Self.range($0.accuracyInterval, scale: 100) }),
            ("Δ\npoints", { Self.paired($0, Self.signed($0.differencePoints)) }),
            ("95 %\nof Δ", { Self.paired($0, Self.range($0.differenceInterval, scale: 1)) }),
            ("p", { Self.paired($0, Self.probability($0.pValue)) }),
            ("same\nanswer %", { Self.paired($0, Self.percent($0.agreement)) }),
        ]
        if summary.methods.contains(where: { $0.failed > 0 }) {
            columns.insert(("failed", { "\($0.failed)" }), at: 2)
        }
        return table(columns)
    }

    private var savings: TextTable {
        var columns: [(String, (Row) -> String)] = [
            ("kept", { Figures.ratio($0.keptTokenRatioMean) }),
            ("attn\nsaved %", { Self.number($0.attnFlopsSavedPct) }),
            ("attn saved\n% (paper)", { Self.number($0.attnFlopsSavedPctPaper) }),
            ("LLM FLOPs\nsaved %", { Self.number($0.llmFlopsSavedPct) }),
            ("KV\nratio", { Figures.ratio($0.kvCacheSavedPct.map { 1 - $0 / 100 }) }),
            ("prefill\nratio", { Self.paired($0, Figures.ratio($0.prefillRatio)) }),
        ]
        if hasSeveralFrameCounts { columns.insert(("frames", { "\($0.frames)" }), at: 0) }
        return table(columns)
    }

    private func table(_ columns: [(title: String, cell: (Row) -> String)]) -> TextTable {
        TextTable(
            columns: [.init(title: "method", canShrink: true)]
                + columns.map { .init(title: $0.title, isNumber: true) },
            rows: summary.methods.map { row in [row.method] + columns.map { $0.cell(row) } })
    }

    // MARK: Groups

    private var hasSeveralFrameCounts: Bool { Set(summary.methods.map(\.frames)).count > 1 }

    private func name(_ method: Row) -> String {
        hasSeveralFrameCounts ? "\(method.method) @\(method.frames)" : method.method
    }

    /// For each group what the methods got right, in the order of the methods.
    private var groupRows: [[EvaluationSummary.Group]] {
        let count = summary.methods.count
        return stride(from: 0, to: summary.groups.count, by: count).map {
            Array(summary.groups[$0..<$0 + count])
        }
    }

    /// Groups as rows, some of the methods as columns.
    private func groups(
        _ columns: Range<Int>, title: (Int) -> String, cell: (EvaluationSummary.Group) -> String
    ) -> TextTable {
        let rows = groupRows
        var table = TextTable(
            columns: [.init(title: "group", canShrink: true), .init(title: "n", isNumber: true)]
                + columns.map { .init(title: title($0), isNumber: true) })
        for row in rows {
            table.rows.append(
                [row[0].group, "\(row.map(\.answered).max() ?? 0)"] + row[columns].map(cell))
        }
        table.rows.append(
            ["mean of groups", ""]
                + columns.map { column in
                    let shares = rows.compactMap { $0[column].accuracy }
                    return Self.percent(
                        shares.isEmpty ? nil : shares.reduce(0, +) / Double(shares.count))
                })
        return table
    }

    private var groups: TextTable {
        groups(summary.methods.indices) {
            name(summary.methods[$0])
        } cell: { group in
            Self.percent(group.accuracy) + " ("
                + Self.range(group.accuracyInterval, scale: 100) + ")"
        }
    }

    /// Methods by their numbers, in as many tables as the terminal's width asks for, and what the numbers
    /// stand for.
    private func numberedGroups(width: Int?) -> [String] {
        let count = summary.methods.count
        // A group's name and n, then "100.0" or "[12]" with the space before it.
        let most = width.map { max(1, ($0 - 24) / 7) } ?? count
        let tables = stride(from: 0, to: count, by: most).map { first in
            groups(first..<min(first + most, count)) {
                "[\($0 + 1)]"
            } cell: {
                Self.percent($0.accuracy)
            }
            .text(width: width)
        }
        let key = summary.methods.enumerated().map { "[\($0 + 1)] \(name($1))" }
        return ["Right % by group:"] + tables + [key.joined(separator: "\n")]
    }

    private var legend: String {
        """
        right % is of the items that the method answered. Intervals are 95 %: of right % Wilson's, of Δ a \
        bootstrap over items; items of one video are taken as independent. Δ, p (exact McNemar), same \
        answer and prefill ratio (median of the times) compare with \(summary.baseline) on the items that \
        both answered. FLOPs and KV ratio (bytes of the cache) are against all visual tokens with full \
        attention. The prefill ratio differs between runs.
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
