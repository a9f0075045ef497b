import Foundation
import Runner

/// Aligned columns for people.
struct TextTable {
    struct Column {
        /// Lines of the heading.
        var title: String
        var isNumber = false
        /// Longer texts are cut where the table would be wider than the terminal.
        var canShrink = false
    }

    var columns: [Column]
    var rows: [[String]] = []

    /// - Parameter width: columns of the terminal; `nil` cuts nothing
    func text(width: Int?) -> String {
        let plain = rows.map { row in row.map(Self.oneLine) }
        var widths = columns.indices.map { index in
            plain.reduce(Self.lines(columns[index].title).map(\.count).max() ?? 0) {
                max($0, $1[index].count)
            }
        }
        if let width { shrink(&widths, to: width) }
        let titles = columns.map { Self.lines($0.title) }
        let header = (0..<(titles.map(\.count).max() ?? 0)).map { index in
            line(titles.map { index < $0.count ? $0[index] : "" }, widths)
        }
        let rule = widths.map { String(repeating: "-", count: $0) }.joined(separator: "  ")
        return (header + [rule] + plain.map { line($0, widths) }).joined(separator: "\n")
    }

    private func shrink(_ widths: inout [Int], to width: Int) {
        let least = 12
        var excess = widths.reduce(0, +) + 2 * (widths.count - 1) - width
        while excess > 0 {
            let candidates = widths.indices.filter { columns[$0].canShrink && widths[$0] > least }
            guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { return }
            widths[widest] -= 1
            excess -= 1
        }
    }

    private func line(_ cells: [String], _ widths: [Int]) -> String {
        var line = ""
        for (index, cell) in cells.enumerated() {
            let cut = cell.count > widths[index] ? cell.prefix(widths[index] - 1) + "…" : cell[...]
            let padding = String(repeating: " ", count: widths[index] - cut.count)
            line += (index > 0 ? "  " : "")
            line += columns[index].isNumber ? padding + cut : cut + padding
        }
        return String(line.reversed().drop { $0 == " " }.reversed())
    }

    private static func lines(_ title: String) -> [String] {
        title.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    private static func oneLine(_ text: String) -> String {
        Printable.line(text.split(whereSeparator: \.isNewline).joined(separator: " "))
    }
}
