import Foundation

/// The answers one by one.
enum AnswerSection {
    static func body(_ content: ReportContent, _ videos: VideoPictures) -> HTML {
        guard !content.answers.isEmpty else {
            return "<p class=\"note\">There is no answer yet.</p>"
        }
        let shown = content.answers.prefix(content.answerLimit)
        let table = Table(content, videos)
        let rest = content.answers.count - shown.count
        return """
            <div class="tools js" hidden="hidden">
            <input id="search" type="search" placeholder="words in videos, questions, answers" \
            aria-label="filter" />
            <select id="kind" aria-label="which answers"><option value="">all answers</option>\
            <option value="right">right</option><option value="wrong">wrong</option>\
            <option value="open">not judged</option><option value="warned">with warnings</option>\
            </select>
            <span id="count" class="soft small"></span>
            </div>
            \(rest > 0
                ? "<p class=\"note\">The first \(ReportFigures.count(shown.count)) of "
                    + "\(ReportFigures.count(content.answers.count)) answers; the numbers above are of "
                    + "all. --answers N shows more.</p>" as HTML : "")
            <div class="scroll"><table id="answers">
            <thead><tr>\(table.titles)</tr></thead>
            <tbody>
            \(shown.map(table.row))
            </tbody>
            </table></div>
            """
    }

    private struct Table {
        let videos: VideoPictures
        let showsMethod: Bool
        let showsBatch: Bool
        let showsExpected: Bool
        let showsDevice: Bool
        private var methods: [[String]: Int] = [:]

        init(_ content: ReportContent, _ videos: VideoPictures) {
            self.videos = videos
            let all = content.methods
            for (index, method) in all.enumerated() {
                methods[[method.model, method.optionsJSON]] = index
            }
            showsMethod = all.count > 1
            showsBatch = content.batch == nil && Set(content.answers.map(\.batch)).count > 1
            showsExpected = content.answers.contains { $0.expected != nil || $0.correct != nil }
            showsDevice = content.answers.contains { $0.peakDeviceMiB != nil }
        }

        var titles: [HTML] {
            var titles: [HTML] = [
                "<th class=\"n\">job</th>", "<th>video</th>", "<th>question</th>",
                "<th>answer</th>",
            ]
            if showsExpected { titles.append("<th>expected</th>") }
            if showsMethod { titles.append("<th>method</th>") }
            return titles + [
                "<th class=\"n\">attention<br />saved</th>",
                "<th class=\"n\">KV cache<br />saved</th>",
                "<th class=\"n\">time</th>",
                "<th class=\"n\">peak<br />memory</th>",
            ]
        }

        func row(_ answer: ReportAnswer) -> HTML {
            let isRight = answer.correct
            var kinds = isRight.map { $0 ? "right" : "wrong" } ?? "open"
            if !answer.warnings.isEmpty { kinds += " warned" }
            var cells: [HTML] = [
                "<td class=\"n\" data-v=\"\(answer.jobID)\">\(answer.jobID)</td>", video(answer),
                question(answer), reply(answer),
            ]
            if showsExpected {
                let mark = isRight.map { ComparisonSection.mark($0) } ?? ""
                cells.append(
                    """
                    <td class="text">\(mark) \(Excerpt.of(answer.expected ?? "", limit: 300))</td>
                    """)
            }
            if showsMethod {
                let index = methods[[answer.model, answer.optionsJSON]] ?? 0
                cells.append(
                    """
                    <td class="path method"><span class="legend" style="display:inline">\
                    <i class="s\(index % 8)"></i></span>\(answer.method)</td>
                    """)
            }
            cells += [
                share(answer.attnSavedPct), share(answer.kvSavedPct), time(answer), memory(answer),
            ]
            return "<tr class=\"\(kinds)\">\(cells)</tr>\n"
        }

        private func video(_ answer: ReportAnswer) -> HTML {
            let batch: HTML =
                showsBatch ? "<div class=\"soft small\">\(answer.batch)</div>" : ""
            return """
                <td class="video">\(videos.picture(of: answer.contentID))\
                <span title="\(answer.video)">\(VideoName.of(answer.video))</span>\(batch)</td>
                """
        }

        private func question(_ answer: ReportAnswer) -> HTML {
            let id = answer.customID.map {
                "<div class=\"soft small\">\(Excerpt.of($0, limit: 200))</div>" as HTML
            }
            return """
                <td class="text"><div class="clip">\(Excerpt.of(answer.question, limit: 1000))</div>\
                \(id ?? "")</td>
                """
        }

        private func reply(_ answer: ReportAnswer) -> HTML {
            let choice = answer.choice.map { "<b>\($0)</b> · " as HTML }
            let warnings = answer.warnings.map {
                "<div class=\"warning\">⚠ \(Excerpt.of($0, limit: 300))</div>" as HTML
            }
            let tries: HTML =
                answer.attemptsMade > 1
                ? "<div class=\"soft small\">attempt \(answer.attemptsMade)</div>" : ""
            return """
                <td class="text"><div class="clip">\(choice ?? "")\
                \(Excerpt.of(answer.answer, limit: 2000))</div>\(warnings)\(tries)</td>
                """
        }

        private func share(_ percent: Double?) -> HTML {
            guard let percent else { return "<td class=\"n\" data-v=\"\">–</td>" }
            let width = ReportFigures.pixels(min(max(percent, 0), 100) / 100)
            return """
                <td class="n share" data-v="\(ReportFigures.pixels(percent))" style="--v:\(width)">\
                \(ReportFigures.percent(percent))</td>
                """
        }

        private func time(_ answer: ReportAnswer) -> HTML {
            let all: [(name: String, value: Double?)] = [
                ("frames", answer.decodeMS), ("vision", answer.visionMS),
                ("prefill", answer.prefillMS), ("text", answer.generateMS),
            ]
            func text(_ name: String, _ value: Double) -> String {
                "\(name) \(ReportFigures.time(milliseconds: value))"
            }
            let title = all.compactMap { part in part.value.map { text(part.name, $0) } }
            // What took a while; the rest shows when it is pointed at.
            let parts = all.compactMap { part -> HTML? in
                guard let value = part.value, value >= 0.05 * answer.totalMS else { return nil }
                return "<br />\(text(part.name, value))"
            }
            return """
                <td class="n" data-v="\(ReportFigures.pixels(answer.totalMS))" \
                title="\(title.joined(separator: ", "))">\
                \(ReportFigures.time(milliseconds: answer.totalMS))\
                <span class="soft small">\(parts)</span></td>
                """
        }

        private func memory(_ answer: ReportAnswer) -> HTML {
            let device: HTML =
                showsDevice
                ? "<br /><span class=\"soft small\">device "
                    + "\(ReportFigures.mebibytes(answer.peakDeviceMiB))</span>" : ""
            return """
                <td class="n" data-v="\(ReportFigures.pixels(answer.peakHostMiB ?? 0))">\
                \(ReportFigures.mebibytes(answer.peakHostMiB))\(device)</td>
                """
        }
    }
}
