import Foundation
import Jobs

/// Failed jobs by what went wrong, each kind with the command that tries them again.
enum FailureSection {
    /// Most jobs of one kind that are listed one by one.
    static let jobLimit = 100

    static func body(_ content: ReportContent) -> HTML {
        let groups = FailureGroup.groups(of: content.failures)
        let attempts = Dictionary(grouping: content.attempts) { $0.jobID ?? 0 }
        let html = groups.map { group -> HTML in
            let command = RetryCommandLine(group, among: groups, content)
            return """
                <div class="card group">
                <h3><span class="no">\(group.errorClass)</span> \(group.code) \
                <span class="soft">· \(ReportFigures.count(group.jobs.count, "job"))</span></h3>
                \(messages(group))
                <div class="command"><pre>\(command.text)</pre>\
                <button type="button" class="copy js" hidden="hidden">copy</button></div>
                \(command.notes.map { "<p class=\"note\">\($0)</p>" as HTML })
                \(jobs(group, attempts))
                </div>

                """
        }
        return html.reduce("", +)
    }

    /// The most frequent ones.
    private static func messages(_ group: FailureGroup) -> HTML {
        let most = 3
        let lines = group.messages.prefix(most).map { message -> HTML in
            let times = message.count > 1 ? " (\(ReportFigures.count(message.count)) times)" : ""
            return """
                <p class="path">\(Excerpt.of(message.text, limit: 300))\
                <span class="soft">\(times)</span></p>
                """
        }
        let rest = group.messages.count - most
        return lines.reduce("", +)
            + (rest > 0
                ? "<p class=\"note\">and \(ReportFigures.count(rest, "other message"))</p>" : "")
    }

    private static func jobs(
        _ group: FailureGroup, _ attempts: [JobID: [AttemptRow]]
    ) -> HTML {
        let rows = group.jobs.prefix(jobLimit).map { job -> HTML in
            let lines = (attempts[job.jobID] ?? []).map(line)
            return """
                <tr><td class="n">\(job.jobID)</td>\
                <td class="path">\(job.video)</td>\
                <td class="text">\(Excerpt.of(job.question, limit: 300))</td>\
                <td class="n">\(job.attemptsMade)</td>\
                <td class="text">\(Excerpt.of(job.errorMessage ?? "", limit: 300))\(lines)</td></tr>

                """
        }
        let rest = group.jobs.count - rows.count
        let more =
            rest > 0
            ? "<p class=\"note\">\(ReportFigures.count(rest, "further job")) of this kind: see "
                + "<code>zipvl-batch list --state failed</code></p>" as HTML : ""
        return """
            <details><summary>\(ReportFigures.count(group.jobs.count, "job")) and \
            \(group.jobs.count == 1 ? "its" : "their") attempts</summary>
            <table><thead><tr><th class="n">job</th><th>video</th><th>question</th>\
            <th class="n">counted<br />attempts</th><th>message and attempts</th></tr></thead>
            <tbody>\(Array(rows))</tbody></table>\(more)</details>
            """
    }

    private static func line(_ attempt: AttemptRow) -> HTML {
        var text = "\(attempt.number) \(attempt.outcome ?? "running")"
        if let stage = attempt.stage { text += " at \(stage)" }
        if let begin = ReportTime.seconds(attempt.begunAt ?? attempt.startedAt) {
            text += ", \(ReportTime.day(begin))"
            if let end = attempt.endedAt.flatMap(ReportTime.seconds) {
                text += " for \(ReportFigures.time(milliseconds: max(0, 1000 * (end - begin))))"
            }
        }
        text += ", \(attempt.worker)"
        let message = attempt.errorMessage.map { ": " + $0 } ?? ""
        return """
            <div class="soft small">attempt \(text)\(Excerpt.of(message, limit: 300))</div>
            """
    }
}

/// Failed jobs of one class and code.
struct FailureGroup {
    var errorClass: String
    var code: String
    var jobs: [JobRow]
    /// The most frequent first, then by their text.
    var messages: [(text: String, count: Int)]

    /// The largest first.
    static func groups(of failures: [JobRow]) -> [FailureGroup] {
        let byKind = Dictionary(grouping: failures) {
            [$0.errorClass?.rawValue ?? "unknown", $0.errorCode ?? ""]
        }
        return byKind.map { kind, jobs in
            let counts = Dictionary(grouping: jobs) { $0.errorMessage ?? "" }.mapValues(\.count)
            return FailureGroup(
                errorClass: kind[0], code: kind[1], jobs: jobs,
                messages: counts.map { (text: $0.key, count: $0.value) }.sorted {
                    ($1.count, $0.text) < ($0.count, $1.text)
                })
        }.sorted {
            ($1.jobs.count, $0.errorClass, $0.code) < ($0.jobs.count, $1.errorClass, $1.code)
        }
    }
}

/// Long texts are cut: a question may be 32 KiB, and there may be thousands.
enum Excerpt {
    static func of(_ text: String, limit: Int) -> HTML {
        // In scalars: one character may be any number of them.
        let scalars = text.unicodeScalars
        guard
            let end = scalars.index(
                scalars.startIndex, offsetBy: limit, limitedBy: scalars.endIndex),
            end != scalars.endIndex
        else { return "\(text)" }
        let rest = scalars.distance(from: end, to: scalars.endIndex)
        return """
            \(String(scalars[..<end]))<span class="soft">… (\(ReportFigures.count(rest)) more \
            characters)</span>
            """
    }
}
