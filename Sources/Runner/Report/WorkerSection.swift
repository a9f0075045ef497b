import Foundation
import Jobs

/// Who worked when: a lane a worker, a bar an attempt.
enum WorkerSection {
    /// Most lanes, and most attempts that are drawn one by one.
    static let (laneLimit, barLimit) = (60, 1500)

    private static let (left, right, lane) = (230.0, 1080.0, 26.0)

    /// One worker's attempts.
    private struct Lane {
        var name: String
        var device: String
        var attempts: [(row: AttemptRow, span: TimeSpan)]
    }

    static func body(_ content: ReportContent) -> HTML {
        let lanes = lanes(content)
        guard !lanes.isEmpty else { return "" }
        let shown = lanes.prefix(laneLimit)
        let spans = shown.flatMap { $0.attempts.map { (start: $0.span.start, end: $0.span.end) } }
        let axis = TimeAxis(spans, left: left, right: right)
        let top = 42.0
        let height = top + lane * Double(shown.count) + 8
        let drawsEach = spans.count <= barLimit
        let rows = shown.enumerated().map { index, worker in
            row(worker, y: top + lane * Double(index), axis, drawsEach: drawsEach)
        }
        let rest = lanes.count - shown.count
        return """
            <div class="card">
            <svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="Attempts of each worker" \
            viewBox="0 0 1190 \(px(height))">
            \(grid(axis, top: top, bottom: height - 4))
            \(rows)
            </svg>
            <div class="legend">\(legend(shown.flatMap(\.attempts).map(\.row)))</div>
            </div>
            \(rest > 0
                ? "<p class=\"note\">and \(ReportFigures.count(rest, "further worker"))</p>" as HTML : "")
            """
    }

    private static func lanes(_ content: ReportContent) -> [Lane] {
        var lanes: [[String]: Lane] = [:]
        for attempt in content.attempts {
            guard let span = TimeSpan(attempt, now: content.madeAt) else { continue }
            let device = attempt.device ?? ""
            let key = [attempt.worker, device]
            lanes[key, default: Lane(name: attempt.worker, device: device, attempts: [])]
                .attempts.append((attempt, span))
        }
        return lanes.values.map { lane in
            var lane = lane
            lane.attempts.sort {
                ($0.span.start, $0.row.attemptID) < ($1.span.start, $1.row.attemptID)
            }
            return lane
        }.sorted {
            let (a, b) = ($0.attempts.first?.span.start ?? 0, $1.attempts.first?.span.start ?? 0)
            return (a, $0.name, $0.device) < (b, $1.name, $1.device)
        }
    }

    private static func grid(_ axis: TimeAxis, top: Double, bottom: Double) -> HTML {
        var html: HTML = ""
        for tick in axis.ticks {
            html += """
                <path class="grid" d="M\(px(tick.pixel)) \(px(top - 6))V\(px(bottom))" />\
                <text class="m" x="\(px(tick.pixel))" y="28">\(tick.text)</text>

                """
        }
        for part in axis.parts {
            html += """
                <text class="b" x="\(px(part.left))" y="12">\(ReportTime.day(part.start))</text>

                """
        }
        return html
    }

    private static func row(
        _ worker: Lane, y: Double, _ axis: TimeAxis, drawsEach: Bool
    ) -> HTML {
        var html: HTML = ""
        for part in axis.parts {
            html += """
                <rect class="lane" x="\(px(part.left))" y="\(px(y + 3))" \
                width="\(px(part.right - part.left))" height="\(px(lane - 6))" rx="3" />
                """
        }
        html +=
            drawsEach
            ? bars(worker, y: y, axis) : blocks(worker, y: y, axis)
        let busy = worker.attempts.reduce(0) { $0 + $1.span.end - $1.span.start }
        let title = "\(worker.name) \(worker.device)"
        return html
            + """
            <text class="b e" x="\(px(left - 12))" y="\(px(y + 17))"><title>\(title)</title>\
            \(shortened(worker.name)) <tspan>\(worker.device)</tspan></text>
            <text x="\(px(right + 10))" y="\(px(y + 17))">\
            \(ReportFigures.count(worker.attempts.count)) · \
            \(ReportFigures.time(milliseconds: 1000 * busy))</text>

            """
    }

    private static func shortened(_ name: String) -> String {
        let most = 26
        guard name.count > most else { return name }
        return String(name.prefix(most / 2)) + "…" + String(name.suffix(most / 2 - 1))
    }

    private static func bars(_ worker: Lane, y: Double, _ axis: TimeAxis) -> HTML {
        var html: HTML = ""
        for (attempt, span) in worker.attempts {
            let (from, to) = (axis.pixel(span.start), axis.pixel(span.end))
            let time = ReportFigures.time(milliseconds: 1000 * (span.end - span.start))
            // A hair of space tells neighbours apart.
            html += """
                <rect class="\(tone(attempt))" x="\(px(from))" y="\(px(y + 3))" \
                width="\(px(max(to - from - 0.6, 0.8)))" height="\(px(lane - 6))">\
                <title>job \(attempt.jobID ?? 0), attempt \(attempt.number): \
                \(attempt.outcome ?? "running"), \(time), from \
                \(ReportTime.clock(span.start, hasSeconds: true))\
                \(attempt.errorCode.map { ", \($0)" } ?? "")</title></rect>

                """
        }
        return html
    }

    /// Attempts of one outcome as one path, those that touch as one block: thousands stay small.
    private static func blocks(_ worker: Lane, y: Double, _ axis: TimeAxis) -> HTML {
        var html: HTML = ""
        let byTone = Dictionary(grouping: worker.attempts) { tone($0.row) }
        // What went wrong lies on top.
        for name in order.reversed() {
            guard let attempts = byTone[name] else { continue }
            var blocks: [(from: Double, to: Double)] = []
            for (_, span) in attempts {
                let (from, to) = (axis.pixel(span.start), axis.pixel(span.end))
                if let last = blocks.last, from <= last.to + 0.4 {
                    blocks[blocks.count - 1].to = max(last.to, to)
                } else {
                    blocks.append((from, to))
                }
            }
            let path = blocks.map {
                "M\(px($0.from)) \(px(y + 3))h\(px(max($0.to - $0.from, 0.8)))v\(px(lane - 6))"
                    + "h\(px(-max($0.to - $0.from, 0.8)))z"
            }.joined()
            html += """
                <path class="\(name)" d="\(path)"><title>\
                \(ReportFigures.count(attempts.count, "attempt")): \(name)</title></path>

                """
        }
        return html
    }

    private static let order = ["failed", "interrupted", "cancelled", "running", "succeeded"]

    private static func tone(_ attempt: AttemptRow) -> String {
        switch attempt.outcome {
        case nil: "running"
        case "succeeded": "succeeded"
        case "interrupted": "interrupted"
        case "cancelled": "cancelled"
        default: "failed"
        }
    }

    private static func legend(_ attempts: [AttemptRow]) -> [HTML] {
        let counts = Dictionary(grouping: attempts, by: tone).mapValues(\.count)
        return order.reversed().compactMap { name in
            counts[name].map { count in
                """
                <span><i class="\(name)"></i><b>\(ReportFigures.count(count))</b> \
                \(name == "failed" ? "failed, crashed, timed out or lost" : name)</span>
                """
            }
        }
    }

    private static func px(_ value: Double) -> String { ReportFigures.pixels(value) }
}
